"""The event that every benchmark posts: a customer with twelve mapped fields, about 550 bytes."""


def customer_event(number: int, customers: int = 20_000, timestamp: str = "") -> tuple[str, bytes]:
    """The customer's id and the webhook's body; without a timestamp it is as many milliseconds past midnight.

    It holds all twelve fields and names two as changed since the customer's last one: a two-way and a pushed one.
    """
    customer = f"{number % customers:06d}"
    seconds, milliseconds = divmod(number, 1000)
    at = (
        timestamp or f"2026-11-22T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}Z"
    )
    body = (
        f'{{"type":"customer.updated","timestamp":"{at}","data":{{"id":"cust-{customer}","fields":{{'
        f'"email":"customer{customer}@example.com","first_name":"Ioana","last_name":"Georgescu-{customer}",'
        f'"phone":"+40 721 {customer}","title":"Head of Events {number}","department":"Marketing",'
        '"address":{"city":"Cluj-Napoca","country":"Romania"},"birthdate":"1987-03-14","preferred_language":"ro",'
        f'"total_tickets":{number // customers},"total_spent":1234.56,'
        '"last_event":"Untold Festival 2026, main stage, three-day pass with camping included"},'
        f'"changed":["title","total_tickets"],"seen":{number // customers}}}}}'
    ).encode()
    return f"cust-{customer}", body
