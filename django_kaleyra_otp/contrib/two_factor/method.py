"""A method of two-factor whose device is a KaleyraDevice: no code in a session, every guess counted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from two_factor.forms import AuthenticationTokenForm
from two_factor.plugins.registry import MethodBase

from django_kaleyra_otp import guard, phones
from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice
from django_kaleyra_otp.exceptions import KaleyraOTPError


class PhoneNumberForm(forms.Form):
    """Asks for a number that codes can be sent to."""

    phone_number = forms.CharField(
        label=gettext_lazy("Mobile number"),
        help_text=format_lazy(
            gettext_lazy("With the country code, such as {number}."), number=phones.EXAMPLE
        ),
        widget=forms.TelInput(attrs={"autocomplete": "tel", "autofocus": True}),
    )

    def clean_phone_number(self) -> str:
        """Return the number in its one spelling."""
        try:
            number = phones.parse(self.cleaned_data["phone_number"])
            guard.admit_country(number)
        except KaleyraOTPError as refusal:
            raise ValidationError(str(refusal.detail), code=refusal.code) from None
        return number.e164


def code_field() -> forms.CharField:
    """Return the field for a code: text, so that no leading zero is lost; the device reads it."""
    return forms.CharField(
        label=gettext_lazy("Code"),
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "autofocus": True}
        ),
    )


class ValidationForm(forms.Form):
    """Asks, in the set-up, for the code that was just sent."""

    # a code is good once: two-factor must not try it again when it closes the set-up
    idempotent = False

    token = code_field()

    def __init__(self, device: KaleyraDevice, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.device = device
        self.fields["token"].help_text = device.said

    def clean_token(self) -> str:
        """Spend an attempt."""
        token: str = self.cleaned_data["token"]
        if not self.device.verify_token(token):
            raise ValidationError(
                _("This code is not right, or is good no longer. To get another, go back one step."),
                code="invalid_token",
            )
        return token


class TokenForm(AuthenticationTokenForm):
    """Asks for the code at the sign-in."""

    otp_token = code_field()


class KaleyraMethod(MethodBase):
    """Text messages. Its code is that of two-factor's own, by which the set-up knows what to save."""

    code = "sms"
    verbose_name = gettext_lazy("Text message")

    def get_devices(self, user: Any) -> Any:
        """Return the devices that a user may sign in with."""
        return KaleyraDevice.objects.devices_for_user(user, confirmed=True)

    def recognize_device(self, device: Any) -> bool:
        """Return whether a device is one of ours."""
        return isinstance(device, KaleyraDevice)

    def get_setup_forms(self, wizard: Any) -> dict[str, type[forms.Form]]:
        """Return the steps of the set-up; before ``validation``, two-factor asks the device for a code."""
        return {"phone_number": PhoneNumberForm, "validation": ValidationForm}

    def get_device_from_setup_data(
        self, request: HttpRequest, setup_data: dict[str, Any], **kwargs: Any
    ) -> KaleyraDevice:
        """Return the device that is being set up: a saved row, so that its guesses are counted."""
        phone_number = setup_data.get("phone_number", {}).get("phone_number", "")
        waiting = KaleyraDevice.objects.filter(user=request.user, confirmed=False, name="default")
        device = waiting.first() or KaleyraDevice(user=request.user, confirmed=False, name="default")
        if device.pk is None or device.phone_number != phone_number:
            device.phone_number = phone_number
            device.save()
        return device

    def get_token_form_class(self) -> type[forms.Form]:
        """Return the form for the code at the sign-in."""
        return TokenForm

    def get_action(self, device: KaleyraDevice) -> str:
        """Return what a button says that chooses this device."""
        return _("Send a text message to %(number)s") % {"number": device.masked_number}

    def get_verbose_action(self, device: KaleyraDevice) -> str:
        """Return what the page for the code says: what came of the SMS."""
        return device.said
