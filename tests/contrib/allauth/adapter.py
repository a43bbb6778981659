from allauth.account.adapter import DefaultAccountAdapter

from django_kaleyra_otp.contrib.allauth import KaleyraAdapterMixin


class AccountAdapter(KaleyraAdapterMixin, DefaultAccountAdapter):
    pass
