"""Many rows, made by PostgreSQL itself: ``python -m benchmarks.large --sends 5000000``.

Fills a database of its own and keeps it, for ``benchmarks.desk`` and ``benchmarks.purging``: as many
challenges as sends, three updates each, over 90 days, five countries, two routes, real numbers of each;
most delivered, most verified; a bucket for each five sends, and the figures of each day that is over.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import django

#: A country, the head of its numbers, how many digits follow, its share in %.
COUNTRIES = [
    ("IN", "+9198", 8, 55),
    ("AE", "+97150", 7, 15),
    ("FR", "+336", 8, 12),
    ("GB", "+447400", 6, 10),
    ("BR", "+551196", 7, 8),
]
BATCH = 250_000

#: One row of a batch: its number, its country, its time, how it ended.
ROWS = """
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT n, country, phone, at, fate, md5('c' || n)::uuid AS challenge, sends.id AS send
FROM (
    SELECT n, country, head || lpad((hashint8(n %% {people} + 7)::bigint + 2147483648)::text, 10, '0') AS raw,
           head, digits,
           %(now)s::timestamptz - interval '90 days' * (1 - (n - {first})::float8 / {total}) AS at,
           abs(hashint8(n)) %% 100 AS fate
    FROM generate_series(%(low)s, %(high)s) AS n
    JOIN countries ON int4range(low, high) @> (abs(hashint8(n %% {people})) %% 100)
) AS drawn
CROSS JOIN LATERAL (SELECT head || right(raw, digits) AS phone) AS numbers
CROSS JOIN LATERAL (SELECT n AS id) AS sends
"""


def main() -> int:
    """Make the database and fill it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--database-url", default="postgres://postgres@127.0.0.1:5432/kaleyra_otp_large")
    parser.add_argument("--sends", type=int, default=5_000_000)
    options = parser.parse_args()
    os.environ["DATABASE_URL"] = options.database_url
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.desk_settings"
    django.setup()
    return fill(options.sends)


def fill(total: int) -> int:
    """Create the database, its tables, and the rows."""
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from django_kaleyra_otp import figures

    create_database()
    call_command("migrate", verbosity=0)
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kaleyra_otp_sendlog")
        if cursor.fetchone()[0]:
            print("There are rows already; drop the database to have it filled anew.")
            return 1
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute(
            "CREATE TEMPORARY TABLE countries (country text, head text, digits int, low int, high int)"
        )
        low = 0
        for country, head, digits, share in COUNTRIES:
            cursor.execute(
                "INSERT INTO countries VALUES (%s, %s, %s, %s, %s)", [country, head, digits, low, low + share]
            )
            low += share
        indexes = drop_indexes(cursor)
        for first in range(1, total + 1, BATCH):
            insert(cursor, first, min(first + BATCH - 1, total), total)
            print(f"{min(first + BATCH - 1, total):>10,} sends, {time.monotonic() - began:.0f} s", flush=True)
        cursor.execute(
            "INSERT INTO kaleyra_otp_ratelimit (key, tat, granted) SELECT md5('b' || n) || md5(n || 'b'), "
            "extract(epoch FROM now()) * 1000000 + hashint8(n) %% 86400 * 1000000::bigint, 0 "
            "FROM generate_series(1, %s) AS n",
            [total // 5],
        )
        for statement in indexes:
            cursor.execute(statement)
        for table in ("otpchallenge", "sendlog", "statusupdate", "ratelimit"):
            if table in ("sendlog", "statusupdate"):
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('kaleyra_otp_{table}', 'id'), max(id)) "
                    f"FROM kaleyra_otp_{table}"
                )
            cursor.execute(f"VACUUM ANALYZE kaleyra_otp_{table}")
    print(f"Filled and indexed in {time.monotonic() - began:.0f} s.")
    figures.settle(timezone.now(), most=figures.KEPT_DAYS)
    print(f"Each day counted by {time.monotonic() - began:.0f} s.")
    return 0


def create_database() -> None:
    """Create the database where there is none."""
    import psycopg
    from django.db import connection

    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"] or 5432, user=settings["USER"], dbname="postgres"
    ) as server:
        server.autocommit = True
        there = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [settings["NAME"]]).fetchone()
        if not there:
            server.execute(f'CREATE DATABASE "{settings["NAME"]}"'.encode())


def drop_indexes(cursor) -> list[str]:  # type: ignore[no-untyped-def]
    """Drop the indexes that no constraint needs; returns what makes them again."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN "
        "('kaleyra_otp_otpchallenge', 'kaleyra_otp_sendlog', 'kaleyra_otp_statusupdate') "
        "AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in found]


def insert(cursor, low: int, high: int, total: int) -> None:  # type: ignore[no-untyped-def]
    """Insert a batch of challenges, sends and updates."""
    from django.db import transaction
    from django.utils import timezone

    now = timezone.now()
    with transaction.atomic():
        cursor.execute(
            ROWS.format(people=max(total // 8, 1), first=1, total=total),
            {"now": now, "low": low, "high": high},
        )
        cursor.execute(
            """
            INSERT INTO kaleyra_otp_otpchallenge (id, phone_number, purpose, user_id, known, language, status,
                nonce, key_fingerprint, bind_digest, code_length, attempts, max_attempts, sends, max_sends,
                ip, created_at, last_sent_at, expires_at, verified_at, redeemed_at, last_attempt_at)
            SELECT challenge, phone, CASE WHEN n % 3 = 0 THEN 'login' ELSE 'verify' END, NULL, false, 'en',
                CASE WHEN fate < 74 THEN 'verified' ELSE 'pending' END, decode(md5('n' || n), 'hex'), 'f', '',
                6, CASE WHEN fate < 74 THEN 1 ELSE 0 END, 5, 1, 5, ('192.0.2.' || n % 250)::inet, at, at,
                at + interval '5 minutes', CASE WHEN fate < 74 THEN at + interval '25 seconds' END, NULL,
                CASE WHEN fate < 74 THEN at + interval '25 seconds' END
            FROM made
            """
        )
        cursor.execute(
            """
            INSERT INTO kaleyra_otp_sendlog (id, challenge_id, channel, phone_number, country, block, route,
                sender, template_id, body, segments, status, rank, kaleyra_status, kaleyra_trace, error_code,
                error_class, error_message, http_status, message_id, latency, claimed_at, submitted_at,
                delivered_at, created_at)
            SELECT send, challenge, 'sms', phone, country, left(phone, length(phone) - 4),
                CASE WHEN n % 5 = 0 THEN 'second' ELSE 'default' END, 'KLRBCH', '', 'Your code is {code}.', 1,
                CASE WHEN fate < 88 THEN 'delivered' WHEN fate < 93 THEN 'undelivered'
                     WHEN fate < 96 THEN 'sent' WHEN fate < 98 THEN 'failed' ELSE 'expired' END,
                CASE WHEN fate < 88 THEN 9 WHEN fate < 93 THEN 6 WHEN fate < 96 THEN 4
                     WHEN fate < 98 THEN 5 ELSE 7 END,
                CASE WHEN fate < 88 THEN 'DELIVRD' WHEN fate < 93 THEN 'UNDELIV' ELSE '' END, '',
                CASE WHEN fate >= 96 AND fate < 98 THEN 'E404' ELSE '' END,
                CASE WHEN fate >= 96 AND fate < 98 THEN 'caller' ELSE '' END, '',
                CASE WHEN fate >= 96 AND fate < 98 THEN 400 ELSE 202 END,
                CASE WHEN fate >= 96 AND fate < 98 THEN '' ELSE md5('m' || n)::uuid || ':1' END,
                120 + fate, at,
                CASE WHEN fate >= 96 AND fate < 98 THEN NULL ELSE at + interval '0.2 s' END,
                CASE WHEN fate < 88 THEN at + interval '1 s' * (2 + abs(hashint8(n * 31)) % 1000 / 60.0) END,
                at
            FROM made
            """
        )
        cursor.execute(
            """
            INSERT INTO kaleyra_otp_statusupdate (send_log_id, message_id, status, trace, delivery_status,
                occurred, received_at, source, fingerprint, phone_number, operator, circle, error_code,
                description)
            SELECT send, md5('m' || n)::uuid || ':1', word, '', CASE word WHEN 'ACCEPTED' THEN 'submitted'
                WHEN 'SENT' THEN 'sent' WHEN 'DELIVRD' THEN 'delivered' ELSE 'undelivered' END, '',
                at + interval '1 s' * step * 3, 'callback', md5(n || word) || md5(word || n),
                ltrim(phone, '+'), (ARRAY['Airtel', 'Jio', 'Vi', 'BSNL'])[1 + n % 4], '', '', ''
            FROM made
            CROSS JOIN LATERAL (VALUES (1, 'ACCEPTED'), (2, 'SENT'),
                (3, CASE WHEN fate < 88 THEN 'DELIVRD' ELSE 'UNDELIV' END)) AS told (step, word)
            WHERE fate < 96 OR fate >= 98
            """
        )


if __name__ == "__main__":
    sys.exit(main())
