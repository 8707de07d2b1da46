"""Amazon's services: the region in the host name, and a bearer key (Bedrock) or a signature made from AWS credentials."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

from whet.errors import LMNotConfiguredError
from whet.lm.facts import ModelFacts, Provider
from whet.lm.site.access import Access, from_environment
from whet.lm.site.plain import PlainSite, sent_headers
from whet.lm.wire.sigv4 import AwsKeys, signed_headers

__all__ = ["BedrockSite", "SageMakerSite"]


class BedrockSite(PlainSite):
    """Credentials, in this order: `api_key` or `AWS_BEARER_TOKEN_BEDROCK`, arguments, environment, the shared credentials file, boto3."""

    service = "bedrock"
    host = "bedrock-runtime"
    bases = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "BEDROCK_API_BASE")
    advice = "or `AWS_BEARER_TOKEN_BEDROCK`, "

    def base(self) -> str:
        """The runtime endpoint of the region."""
        given = self.access.api_base or from_environment(self.bases)
        return given.rstrip("/") if given else f"https://{self.host}.{self.region()}.amazonaws.com"

    def region(self) -> str:
        """The region from the arguments, the environment or the profile's settings; Virginia where nobody says another."""
        named = self.access.text("aws_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
        return named or _profile("AWS_CONFIG_FILE", "config", self._profile_name()).get("region") or "us-east-1"

    def address(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Mapping[str, str]]:
        """The URL and all headers, signed where there is no bearer key."""
        url, sent = self.base() + path, {**headers, **sent_headers(self.access)}
        if key := self._bearer():
            return url, {**sent, "authorization": f"Bearer {key}"}
        return url, signed_headers(self._keys(), "POST", url, sent, body, region=self.region(), service=self.service)

    def signs_in(self) -> bool:
        """Whether boto3 will be asked."""
        return not self._bearer() and self._keys_at_hand() is None and find_spec("boto3") is not None

    def _bearer(self) -> str | None:
        return self.access.api_key.reveal() if self.access.api_key is not None else from_environment(self.provider.key_env)

    def _profile_name(self) -> str:
        return self.access.text("aws_profile_name", "AWS_PROFILE") or "default"

    def _keys(self) -> AwsKeys:
        return self._keys_at_hand() or self._keys_of_boto3()

    def _keys_at_hand(self) -> AwsKeys | None:
        """From the arguments, the environment or the shared file."""
        access = self.access
        name, secret = access.text("aws_access_key_id", "AWS_ACCESS_KEY_ID"), access.text("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY")
        if name and secret:
            return AwsKeys(access=name, secret=secret, token=access.text("aws_session_token", "AWS_SESSION_TOKEN"))
        kept = _profile("AWS_SHARED_CREDENTIALS_FILE", "credentials", self._profile_name())
        if "aws_access_key_id" in kept and "aws_secret_access_key" in kept:
            return AwsKeys(access=kept["aws_access_key_id"], secret=kept["aws_secret_access_key"], token=kept.get("aws_session_token"))
        return None

    def _keys_of_boto3(self) -> AwsKeys:
        """Roles, single sign-on and instance profiles are left to the SDK where it is installed."""
        why = ""
        if find_spec("boto3") is not None:
            import boto3  # noqa: PLC0415 - optional package

            try:
                found = boto3.Session(profile_name=self.access.text("aws_profile_name", "AWS_PROFILE")).get_credentials()
                frozen = found.get_frozen_credentials() if found is not None else None
            except Exception as error:  # noqa: BLE001 - a vendor's package may raise anything
                why, frozen = f" (boto3: {error})", None
            if frozen is not None:
                return AwsKeys(access=frozen.access_key, secret=frozen.secret_key, token=frozen.token)
        raise LMNotConfiguredError(
            f"No AWS credentials found{why}. Set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, {self.advice}or a "
            "profile in ~/.aws/credentials; or install `boto3` for roles and single sign-on.",
            model=self.facts.full_name,
            provider=self.provider.name,
        )


class SageMakerSite(BedrockSite):
    """The same credentials, but no bearer key: SageMaker takes signatures only."""

    service = "sagemaker"
    host = "runtime.sagemaker"
    bases = ("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "SAGEMAKER_API_BASE")
    advice = ""

    def __init__(self, provider: Provider, facts: ModelFacts, access: Access) -> None:
        super().__init__(provider, facts, access)
        if access.api_key is not None:
            warnings.warn(
                f"`api_key` is not used for `{facts.full_name}`: SageMaker takes requests signed with AWS keys only. Leave it out, and "
                "give `aws_access_key_id=` and `aws_secret_access_key=`, or a profile.",
                UserWarning,
                stacklevel=2,
            )

    def _bearer(self) -> str | None:
        return None


def _profile(variable: str, file: str, name: str) -> Mapping[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read(Path(os.environ.get(variable) or Path.home() / ".aws" / file), encoding="utf-8")
    for section in (name, f"profile {name}"):
        if parser.has_section(section):
            return dict(parser[section])
    return {}
