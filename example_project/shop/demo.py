"""Who lives in the demonstration."""

from phonenumber_field.phonenumber import PhoneNumber

from django_kaleyra_otp.simulator.fates import BY_WORD

#: Who works in the admin, and his password: everybody may know them.
STAFF = ("demo", "demo")
#: The password of each customer, for the sign-in in two steps.
PASSWORD = "demo"
#: The customers: user name, first name, number, what becomes of an SMS to it.
CUSTOMERS = [
    (username, first_name, PhoneNumber.from_string(BY_WORD[fate].number), meaning)
    for username, first_name, fate, meaning in [
        ("asha", "Asha", "delivered", "The text message arrives in a second."),
        ("vikram", "Vikram", "mob-off", "The handset is off; the admin says so."),
        ("meera", "Meera", "no-balance", "Kaleyra refuses: the account has no balance."),
    ]
]
