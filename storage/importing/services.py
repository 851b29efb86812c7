"""The part of the import format that only service businesses need."""

from storage.importing.format import ACCOUNT, EXTERNAL_ID, Entity, Field
from storage.models import ServiceRecord

KINDS = (
    *("appointment", "checkup", "insurance_change"),
    *("emergency", "maintenance", "seasonal", "warranty"),
    *("milestone", "proposal", "referral", "contract"),
)

SERVICES = Entity(
    "services",
    ServiceRecord,
    "Work of a service business: appointments, contracts, projects. A row again with more dates replaces it.",
    (
        EXTERNAL_ID,
        ACCOUNT,
        Field("kind", "what it is; a contract with visits is `maintenance`, any other `contract`", allowed=KINDS),
        Field("recorded_on", "day it became known: booked, agreed or reported"),
        Field("due_on", "day it is planned for; of a missed appointment the day it was missed"),
        Field("done_on", "day it was done: visited, delivered, accepted"),
        Field("cancelled_on", "day it was called off"),
        Field("no_show", "yes when nobody came"),
        Field("ends_on", "last day of a contract or warranty"),
        Field("included", "visits that the contract includes", low=0),
        Field("used", "visits used of it so far", low=0),
        Field("response_hours", "hours from an emergency call to the visit", low=0, high=8760),
        Field("satisfaction", "the customer's satisfaction with it, 1-5", low=1, high=5),
        Field("note", "anything to add", shorten=True),
    ),
    identity=("account", "kind", "recorded_on", "due_on"),
    order=(("recorded_on", "cancelled_on"), ("recorded_on", "ends_on")),
    without="appointments, contracts and projects of service businesses will have no data",
)
