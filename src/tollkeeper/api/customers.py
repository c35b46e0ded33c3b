"""/customers: who buys from the provider."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from tollkeeper.api.address import segment_text
from tollkeeper.api.answers import answer, created, paged
from tollkeeper.api.documents import (
    ANY_ROUTE,
    READ_BODY,
    Answered,
    Body,
    NoFields,
    Schema,
    made,
    one,
    page_of,
    refusals,
)
from tollkeeper.api.fields import PageParameters, ShortText, Text
from tollkeeper.api.route import Reader, ResourceRoute, Writer
from tollkeeper.customers import queries
from tollkeeper.customers.create_customer import create_customer
from tollkeeper.customers.delete_customer import delete_customer
from tollkeeper.customers.events import describe
from tollkeeper.customers.model import (
    EMAIL_PATTERN,
    MAX_METADATA_KEYS,
    countries,
    parse_country,
    parse_email,
    parse_metadata,
    parse_timezone,
    timezones,
)
from tollkeeper.customers.update_customer import update_customer
from tollkeeper.kernel.currency import CURRENCIES, currency

router = APIRouter(
    prefix="/customers",
    tags=["customers"],
    route_class=ResourceRoute,
    responses=refusals(*ANY_ROUTE),
)

_EXAMPLE_BODY: dict[str, Any] = {
    "name": "Analytical Engines Ltd",
    "email": "ada@example.com",
    "external_id": "cus_1842",
    "currency": "eur",
    "timezone": "Europe/London",
    "country": "GB",
    "metadata": {"tier": "gold"},
}
_EXAMPLE = {
    "id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5e",
    **_EXAMPLE_BODY,
    "address": None,
    "tax_id": None,
    "created_at": "2026-06-06T12:00:00Z",
    "updated_at": "2026-06-06T12:00:00Z",
}


def _currency_code(code: str) -> str:
    return currency(code).code


def _list_currencies(schema: dict[str, Any]) -> None:
    schema["enum"] = sorted({*CURRENCIES, *map(str.upper, CURRENCIES)})


def _list_countries(schema: dict[str, Any]) -> None:
    schema["enum"] = sorted(countries())


def _list_timezones(schema: dict[str, Any]) -> None:
    schema["enum"] = sorted(timezones())


Email = Annotated[
    str,
    Field(max_length=254, json_schema_extra={"pattern": EMAIL_PATTERN}),
    AfterValidator(parse_email),
]
CurrencyCode = Annotated[
    str, AfterValidator(_currency_code), Field(json_schema_extra=_list_currencies)
]
Country = Annotated[str, AfterValidator(parse_country), Field(json_schema_extra=_list_countries)]
Timezone = Annotated[str, AfterValidator(parse_timezone), Field(json_schema_extra=_list_timezones)]
MetadataKey = Annotated[str, Field(min_length=1, max_length=100)]
Metadata = Annotated[
    dict[MetadataKey, Any], Field(max_length=MAX_METADATA_KEYS), AfterValidator(parse_metadata)
]
CustomerReference = Annotated[
    Text,
    BeforeValidator(segment_text),
    Path(description="The customer's id, or the external id that you gave them."),
]


class Address(Schema):
    """A postal address."""

    line1: Text | None = None
    line2: Text | None = None
    city: Text | None = None
    state: Text | None = None
    postal_code: ShortText | None = None
    country: Country | None = None


class CustomerFields(Body):
    """What may be left out, or set to null, of a customer."""

    external_id: Text | None = Field(
        None, description="Your own id of the customer; stands wherever their id may."
    )
    currency: CurrencyCode | None = Field(None, description="ISO 4217, such as `eur`.")
    country: Country | None = Field(None, description="ISO 3166-1 alpha-2, such as `DE`.")
    address: Address | None = None
    tax_id: ShortText | None = Field(None, description="For instance a VAT number.")
    timezone: Timezone = Field(
        default_factory=lambda: "UTC",
        description="IANA name; billing periods begin and end at its midnights.",
    )
    metadata: Metadata = Field(
        default_factory=dict,
        description="Yours to use: up to 50 keys, 16 KiB as JSON. A change merges; null removes.",
    )

    def values(self) -> dict[str, Any]:
        """The fields that were sent, as the domain's values."""
        sent = self.given()
        if sent.get("currency"):
            sent["currency"] = currency(sent["currency"])
        if sent.get("address") is not None:
            sent["address"] = {k: v for k, v in sent["address"].items() if v is not None}
        return sent


class NewCustomer(CustomerFields):
    """A customer to create."""

    name: Text
    email: Email

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE_BODY]})


class ChangedCustomer(CustomerFields):
    """The fields to change; all others stay as they are."""

    name: Text = Field(default_factory=str)
    email: Email = Field(default_factory=str)

    model_config = ConfigDict(json_schema_extra={"examples": [{"metadata": {"tier": "gold"}}]})


class CustomerView(Answered):
    """A customer."""

    id: UUID
    external_id: str | None
    name: str
    email: str
    currency: str | None
    timezone: str
    country: str | None
    address: dict[str, str] | None
    tax_id: str | None
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class DeletedCustomer(Answered):
    """That the customer is gone."""

    id: UUID
    deleted: bool


class CustomerParameters(PageParameters):
    """Which customers."""

    search: Text | None = Field(
        None, description="Words, or beginnings of words, of name, e-mail and external id."
    )
    external_id: Text | None = None
    email: Email | None = None
    country: Country | None = None


@router.post(
    "",
    status_code=201,
    summary="Create a customer",
    responses=made(CustomerView, _EXAMPLE, "Customer created successfully") | refusals(*READ_BODY),
)
async def create(body: NewCustomer, work: Writer) -> Response:
    """Name and e-mail are all that is needed. Tells `account.created`."""
    customer = await create_customer(work, body.values())
    return created(describe(customer), "Customer created successfully")


@router.get("", summary="List customers", responses=page_of(CustomerView, _EXAMPLE))
async def list_(parameters: Annotated[CustomerParameters, Query()], work: Reader) -> Response:
    """Newest first."""
    page = await queries.list_customers(
        work, parameters.asked(), search=parameters.search, filters=parameters.filters()
    )
    return paged([describe(customer) for customer in page.items], page)


@router.get("/{customer_id}", summary="Retrieve a customer", responses=one(CustomerView, _EXAMPLE))
async def retrieve(customer_id: CustomerReference, work: Reader) -> Response:
    """By id or external id."""
    return answer(describe(await queries.get_customer(work, customer_id)))


@router.patch(
    "/{customer_id}",
    summary="Change a customer",
    responses=one(CustomerView, _EXAMPLE) | refusals(*READ_BODY),
)
async def change(customer_id: CustomerReference, body: ChangedCustomer, work: Writer) -> Response:
    """Sets the fields that are sent; metadata is merged."""
    return answer(describe(await update_customer(work, customer_id, body.values())))


@router.delete(
    "/{customer_id}",
    summary="Delete a customer",
    responses=one(DeletedCustomer, {"id": _EXAMPLE["id"], "deleted": True}) | refusals(*READ_BODY),
)
async def delete(
    customer_id: CustomerReference, work: Writer, _body: NoFields | None = None
) -> Response:
    """Refused (409) once usage, credits, subscriptions or invoices depend on the customer."""
    customer = await delete_customer(work, customer_id)
    return answer({"id": str(customer.id), "deleted": True})
