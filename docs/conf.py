"""How the documentation is built; the reference is made from the code, so Django is set up here."""

import sys
from pathlib import Path

import django
from django.conf import settings

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

settings.configure(
    SECRET_KEY="nothing-is-signed-while-documentation-is-built",  # noqa: S106
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "rest_framework",
        "django_kaleyra_otp",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django_kaleyra_otp import __version__  # noqa: E402

project = "django-kaleyra-otp"
author = "the django-kaleyra-otp maintainers"
project_copyright = f"2026, {author}"
release = __version__
version = ".".join(release.split(".")[:2])

extensions = ["sphinx.ext.autodoc", "from_the_code", "limits", "promises", "words"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True
