"""What a request costs beside the least that it could cost.

``python -m benchmarks`` (``make bench``) starts challenges, looks at them, verifies them and calls
the webhook, each beside a bare view that does the same job with the fewest statements
(``benchmarks.floor``), and prints the CPU of the one over the CPU of the other. It takes less than
two minutes, and makes and drops a database of its own: a file of SQLite, or on the server that
``--database-url`` or ``DATABASE_URL`` names:

    python -m benchmarks --database-url postgres://postgres@127.0.0.1:5432/
    python -m benchmarks --database-url mysql://root@127.0.0.1:3306/ --only start
    python -m benchmarks --check                     exit code 1 where a budget is not kept
    python -m benchmarks --explain --rows 1000000    the plans of the hot statements

One looks at what the sign-in pages tell of who has a user, in their answers and in the time they take:

    python -m benchmarks.enumeration --database-url postgres://postgres@127.0.0.1:5432/

Others serve a project with gunicorn, on PostgreSQL, and load it; their own first lines say how:

    python -m benchmarks.soak      processes are killed under load; then every row is accounted for
    python -m benchmarks.burst     2,000 callbacks at 200 a second, and callbacks while the database is away

What is measured: each request is one call of the WSGI application, in this process, over real
connections that stay open, with the middleware of a new project. CPU is the time of this process,
user and system, from the call to the closed response: of PostgreSQL and MariaDB that is the client's
side, of SQLite all of it. The two views take turns in rounds of a few requests; a ratio is the median
over the rounds of ours over the floor's, with its quartiles, so that whatever else the machine does
falls on both. Wall times are shown, and are only as good as the machine is idle.
"""
