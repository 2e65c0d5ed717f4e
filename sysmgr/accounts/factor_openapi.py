"""What the API's description says of the second factor."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api.schema import Answer, describe

from .factor_api import EnrollInput, OtpInput
from .factor_codes import RECOVERY_CODES
from .factor_errors import FactorConfirmed, LastWhoPasses, NoSecondFactor, OtpRefused
from .login_errors import HashQueueFull, LoginLocked


class Enrolled(Answer):
    """What an authenticator must be told; nobody can read it later."""

    secret = serializers.CharField(help_text="The shared secret in base32, to be typed where no camera is.")
    otpauth_uri = serializers.CharField()
    qr_svg = serializers.CharField(help_text="The same as a QR code: an SVG picture in a `data:` address.")


class RecoveryCodes(Answer):
    """Each stands in for the authenticator once; nobody can read them later."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(), min_length=RECOVERY_CODES, max_length=RECOVERY_CODES
    )


_GUESSES = [OtpRefused, LoginLocked, HashQueueFull, NoSecondFactor]

describe("/v1/authentication/otp/enroll", request=EnrollInput, answer=Enrolled, errors=[FactorConfirmed], cluster=False)
describe(
    "/v1/authentication/otp/confirm",
    request=OtpInput,
    answer=RecoveryCodes,
    errors=[*_GUESSES, FactorConfirmed],
    cluster=False,
)
describe("/v1/authentication/otp/remove", request=OtpInput, errors=[*_GUESSES, LastWhoPasses], cluster=False)
