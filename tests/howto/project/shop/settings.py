"""A small project that is not ours, and has an account with Kaleyra: what a page adds comes after it."""

SECRET_KEY = "a-project-in-a-temporary-folder-that-protects-nothing"
ALLOWED_HOSTS = ["testserver", "localhost"]
ROOT_URLCONF = "shop.urls"
STATIC_URL = "static/"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIGRATION_MODULES = dict.fromkeys(("admin", "auth", "contenttypes", "sessions", "kaleyra_otp", "authtoken"))
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_kaleyra_otp",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "shop.Customer"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django_kaleyra_otp.login.backends.PhoneBackend",
]
# what a project may have for its own views; a view of a recipe says what it needs
REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]}

KALEYRA_OTP = {
    "POD": "in",
    "SID": "HXSHOP0000000000IN",
    "API_KEY": "A00000000000000000000000000000000",
    "SENDER": "SHOPIN",
    "CALLBACK_PROFILE_ID": "IN_00000000-0000-4000-8000-000000000001",
    "WEBHOOK_SECRET": "a-secret-of-a-shop-that-does-not-exist-0",
    "ALLOWED_COUNTRIES": ["AE"],
    "SERVICE_NAME": "Shop",
}
