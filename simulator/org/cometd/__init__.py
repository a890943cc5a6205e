"""The CometD endpoint of the simulated org: Bayeux 1.0 over long polling, with Salesforce's replay and its faults."""

from simulator.org.cometd.admin import add_routes
from simulator.org.cometd.endpoint import Cometd
from simulator.org.cometd.faults import FaultKind, StreamFault, StreamFaults
from simulator.org.cometd.settings import CometdSettings

__all__ = ["Cometd", "CometdSettings", "FaultKind", "StreamFault", "StreamFaults", "add_routes"]
