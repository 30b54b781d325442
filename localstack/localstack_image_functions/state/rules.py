"""EventBridge: rules at work again after their state came back."""

from __future__ import annotations

import logging
from typing import Any

from localstack.services.events.event_bus import EventBusService
from localstack.services.events.models import Rule, events_stores
from localstack.services.events.rule import RuleService

LOG = logging.getLogger(__name__)


def resume_rules(provider: Any) -> None:
    """Give each bus, rule and target the service object that LocalStack's provider works with.

    Archives, connections and API destinations are not resumed and therefore forgotten.
    """
    for account, region, store in events_stores.iter_stores():
        for kind in ("archives", "replays", "connections", "api_destinations"):
            kept = getattr(store, kind)
            if kept:
                LOG.warning("EventBridge %s are not kept: %s", kind, ", ".join(kept))
                kept.clear()
        for bus in store.event_buses.values():
            provider._event_bus_services_store[bus.arn] = EventBusService(bus)
            for rule in bus.rules.values():
                _resume(provider, account, region, rule)


def _resume(provider: Any, account: str, region: str, rule: Rule) -> None:
    service = RuleService(rule)
    provider._rule_services_store[rule.arn] = service
    for target in rule.targets.values():
        provider.create_target_sender(target, rule.arn, rule.name, region, account)
    if service.schedule_cron and rule.targets:
        service.create_schedule_job(
            provider._get_scheduled_rule_job_function(account, region, rule)
        )
