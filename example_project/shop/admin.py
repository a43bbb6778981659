from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from shop.models import Customer


@admin.register(Customer)
class CustomerAdmin(UserAdmin):
    list_display = ["username", "first_name", "phone_number", "is_staff", "last_login"]
    fieldsets = [*UserAdmin.fieldsets, ("Phone", {"fields": ["phone_number"]})]
    add_fieldsets = [*UserAdmin.add_fieldsets, ("Phone", {"fields": ["phone_number"]})]
