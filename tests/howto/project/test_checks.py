from django.core.management import call_command


def test_the_project_passes_its_system_checks(db):
    call_command("check", fail_level="WARNING")
