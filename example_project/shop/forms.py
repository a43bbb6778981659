from django import forms
from django.core.validators import MinValueValidator

from shop.models import Payment


class PaymentForm(forms.ModelForm):
    """Asks to whom, and how much."""

    class Meta:
        model = Payment
        fields = ["payee", "amount"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["payee"].label = "Payee"
        self.fields["amount"].label = "Amount in rupees"
        self.fields["amount"].widget = forms.TextInput(attrs={"inputmode": "decimal"})
        self.fields["amount"].validators.append(MinValueValidator(1))
