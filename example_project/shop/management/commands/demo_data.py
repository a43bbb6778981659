from django.core.management.base import BaseCommand

from shop.demo import CUSTOMERS, PASSWORD, STAFF
from shop.models import Customer


class Command(BaseCommand):
    help = "Make the staff user and the customers of the demonstration, where they are not there yet."

    def handle(self, *args, **options):
        name, password = STAFF
        if not Customer.objects.filter(username=name).exists():
            Customer.objects.create_superuser(name, password=password)
        for username, first_name, phone_number, _ in CUSTOMERS:
            customer, made = Customer.objects.get_or_create(
                username=username, defaults={"first_name": first_name, "phone_number": phone_number}
            )
            if made:
                customer.set_password(PASSWORD)
                customer.save()
