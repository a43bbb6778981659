"""The page with the handsets: three files, served with headers that let them load nothing else."""

from importlib import resources

from django_kaleyra_otp.simulator.wire import Answer, Call, fault

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/_static/page.css": ("page.css", "text/css; charset=utf-8"),
    "/_static/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/_static/icon.svg": ("icon.svg", "image/svg+xml"),
}


def answer(call: Call) -> Answer | None:
    """Answer a call for a file of the page; None if the path is no file of it."""
    if call.path not in FILES:
        return None
    if call.method not in ("GET", "HEAD"):
        return fault(405, "X405", "Method Not Allowed", Allow="GET, HEAD")
    name, content_type = FILES[call.path]
    content = resources.files(__package__ or "").joinpath(name).read_bytes()
    return Answer(200, content, HEADERS, content_type)
