"""The environment of a process that runs in the test's own: where Kafka, MongoDB and the simulated org are."""

from simulator.org.app import RunningOrg


def where(*, kafka: str, mongodb: str, database: str, org: RunningOrg) -> dict[str, str]:
    """The settings by which a process finds all of them."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "MONGODB_URI": mongodb,
        "MONGODB_DATABASE": database,
        "SALESFORCE_LOGIN_URL": org.base_url,
        "SALESFORCE_CLIENT_ID": org.client_id,
        "SALESFORCE_CLIENT_SECRET": org.client_secret,
    }
