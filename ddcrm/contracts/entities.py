"""The canonical entities: what each is called, its key, its columns and their types."""

from __future__ import annotations

from ddcrm.contracts.model import Entity

MONEY = "decimal(18,2)"


def _entity(name: str, key: str, columns: str, required: str, event_time: str | None = None) -> Entity:
    pairs = (pair.split(":") for pair in columns.split())
    return Entity(name, tuple(key.split()), {column: MONEY if kind == "money" else kind for column, kind in pairs},
                  tuple(required.split()), event_time)  # fmt: skip


ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        _entity("customers", "customer_key",
                "customer_key:string name:string email:string phone:string birth_date:date gender:string city:string "
                "country:string region:string signed_up_at:timestamp channel:string tier:string "
                "consent_marketing:boolean",
                "customer_key"),
        _entity("orders", "order_id line_no",
                "order_id:string line_no:integer customer_key:string ordered_at:timestamp product_id:string "
                "quantity:integer amount:money cost:money channel:string status:string currency:string",
                "order_id customer_key ordered_at amount", "ordered_at"),
        _entity("products", "product_id",
                "product_id:string name:string category:string brand:string price:money cost:money description:string",
                "product_id"),
        _entity("events", "event_id",
                "event_id:string customer_key:string occurred_at:timestamp kind:string product_id:string "
                "channel:string",
                "event_id customer_key occurred_at kind", "occurred_at"),
        _entity("tickets", "ticket_id",
                "ticket_id:string customer_key:string opened_at:timestamp closed_at:timestamp kind:string "
                "channel:string satisfaction:integer",
                "ticket_id customer_key opened_at", "opened_at"),
        _entity("feedback", "feedback_id",
                "feedback_id:string customer_key:string created_at:timestamp product_id:string rating:integer "
                "text:string language:string kind:string",
                "feedback_id created_at", "created_at"),
        _entity("contacts", "contact_id",
                "contact_id:string campaign_id:string customer_key:string sent_at:timestamp channel:string "
                "treated:boolean opened:boolean clicked:boolean converted:boolean cost:money",
                "contact_id campaign_id customer_key sent_at", "sent_at"),
        _entity("spend", "day channel", "day:date channel:string amount:money impressions:integer",
                "day channel amount"),
        _entity("market", "period", "period:string market_size:money own_share:double", "period market_size"),
    )
}  # fmt: skip
