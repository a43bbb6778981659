"""What the served project has itself: the URLs, and the view that takes a proof of a right code."""

from __future__ import annotations

import json

from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import DatabaseBusy, InvalidToken


@csrf_exempt
def redeem(request: HttpRequest) -> JsonResponse:
    """Use a token up: 200 with the challenge's id, 400 where it is no good, 503 where nothing was done."""
    try:
        challenge = challenges.redeem(json.loads(request.body)["token"], purpose="verify")
    except InvalidToken:
        return JsonResponse({"code": "invalid_token"}, status=400)
    except DatabaseBusy as busy:
        return JsonResponse({"code": busy.code}, status=503)
    return JsonResponse({"id": str(challenge.pk)})


urlpatterns = [
    path("otp/", include("django_kaleyra_otp.urls")),
    path("redeem/", redeem),
]
