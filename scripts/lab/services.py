"""Which services of AWS the lab's emulator has."""

from __future__ import annotations

from cloud.switch import InvalidSetting, environment

SERVICES_SETTING = "FACELAB_SERVICES"
ALWAYS = (
    "cloudformation", "cloudwatch", "dynamodb", "ecr", "events", "iam", "lambda", "logs", "s3",
    "sqs", "sts",
)  # fmt: skip
"""What the lab and the courses use. A service costs nothing before the first call to it."""
MORE = (
    "acm", "apigateway", "config", "dynamodbstreams", "ec2", "es", "firehose", "kinesis", "kms",
    "opensearch", "redshift", "resource-groups", "resourcegroupstaggingapi", "route53",
    "route53resolver", "s3control", "scheduler", "secretsmanager", "ses", "sns", "ssm",
    "stepfunctions", "support", "swf", "transcribe",
)  # fmt: skip
"""What LocalStack 4.13 has beside these. Some of it downloads programs when it is first used."""


def more_services() -> tuple[str, ...]:
    """What is switched on beside what is always there (FACELAB_SERVICES=sns,ssm).

    Raises
    ------
    InvalidSetting
        When the setting names a service that the emulator lacks.
    """
    named = (environment().get(SERVICES_SETTING) or "").replace(",", " ").lower().split()
    for name in named:
        if name not in (*ALWAYS, *MORE):
            raise InvalidSetting(
                f"{SERVICES_SETTING}: the emulator has no service {name!r}; "
                f"it can be one of {', '.join(MORE)}"
            )
    return tuple(dict.fromkeys(name for name in named if name not in ALWAYS))


def services() -> tuple[str, ...]:
    """All services that the emulator answers for."""
    return (*ALWAYS, *more_services())
