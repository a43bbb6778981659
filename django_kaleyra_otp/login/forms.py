"""The two forms: a number, a code. One field each."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_kaleyra_otp import codes, phones
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.phones import Number
from django_kaleyra_otp.types import Secret


class PhoneNumberForm(forms.Form):
    """Asks for a number, in any spelling that ``phones.parse`` takes."""

    phone_number = forms.CharField(
        label=_("Mobile number"),
        help_text=format_lazy(_("With the country code, such as {number}."), number=phones.EXAMPLE),
        strip=False,  # phones.parse says which characters may stand around a number
        widget=forms.TelInput(
            attrs={"inputmode": "tel", "autocomplete": "tel", "dir": "ltr", "autofocus": True}
        ),
    )

    def clean_phone_number(self) -> Number:
        """Return the number in its one spelling."""
        try:
            return phones.parse(self.cleaned_data["phone_number"])
        except KaleyraOTPError as refusal:
            raise ValidationError(str(refusal.detail), code=refusal.code) from None


class CodeInput(forms.TextInput):
    """A text field that never shows again what was typed into it."""

    def format_value(self, value: Any) -> None:
        """Return nothing: a code stands in no page."""


class CodeForm(forms.Form):
    """Asks for a code of ``code_length`` digits; spaces and hyphens in it do not count.

    One field, and no ``maxlength``: a code pasted as ``123 456`` must not be cut.
    """

    code = forms.CharField(
        label=_("Code"),
        strip=False,  # codes.clean says which characters do not count
        widget=CodeInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "dir": "ltr",
                "pattern": r"[0-9 \-]*",
                "autofocus": True,
            }
        ),
    )

    def __init__(self, *args: Any, code_length: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.code_length = code_length = code_length or conf.CODE_LENGTH
        self.fields["code"].help_text = _("The %(count)d digits from the text message.") % {
            "count": code_length
        }

    def clean_code(self) -> Secret:
        """Return the guess, in a type that no traceback shows."""
        code = codes.clean(self.cleaned_data["code"], self.code_length)
        if code is None:
            raise ValidationError(
                _("Enter the %(count)d digits of the code."),
                code="invalid",
                params={"count": self.code_length},
            )
        return code

    @classmethod
    def refused(cls, code_length: int, attempts_left: int) -> CodeForm:
        """Return an empty form whose field says that the last code was wrong."""
        form = cls({}, code_length=code_length)
        del form.errors["code"]
        form.add_error(
            "code",
            ValidationError(
                ngettext(
                    "That code is not right. You can try once more.",
                    "That code is not right. You can try %(count)d more times.",
                    attempts_left,
                ),
                code="invalid_code",
                params={"count": attempts_left},
            ),
        )
        return form
