"""A refusal of the OAuth endpoints."""


class OAuthRefused(Exception):
    """Becomes `{error, error_description}`."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
