"""How every cloud resource is called. The stack template and all code use these names."""

from __future__ import annotations

from dataclasses import dataclass

from contract.clips import check_device_id

GALLERY_KEY = "gallery/gallery.npz"
CUSTOM_MODEL_KEY = "models/custom.onnx"
# Who was forgotten and must not be seeded again, as digests.
TOMBSTONES_KEY = "people/forgotten.json"


@dataclass(frozen=True)
class Names:
    """Resource names of one lab: `prefix` separates labs in one account and region."""

    prefix: str = "facelab"

    @property
    def stack(self) -> str:
        return self.prefix

    @property
    def function(self) -> str:
        return f"{self.prefix}-recognize"

    @property
    def reconciler(self) -> str:
        return f"{self.prefix}-reconcile"

    @property
    def reconciler_log_group(self) -> str:
        return f"/aws/lambda/{self.reconciler}"

    @property
    def repository(self) -> str:
        return f"{self.prefix}-recognize"

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.function}"

    @property
    def people_table(self) -> str:
        return f"{self.prefix}-people"

    @property
    def ledger_table(self) -> str:
        return f"{self.prefix}-clips"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}-dead-letters"

    @property
    def events_queue(self) -> str:
        """Between S3 and the function, where FACELAB_EVENTS=queue."""
        return f"{self.prefix}-events"

    @property
    def failed_events(self) -> str:
        """What that queue gave up on, on its way to the reconciler."""
        return f"{self.prefix}-failed-events"

    def bucket(self, account: str, region: str) -> str:
        """Bucket names are global: without account and region the second student fails."""
        return f"{self.prefix}-{account}-{region}"

    @property
    def result_queues(self) -> str:
        """How the names of all devices' result queues begin."""
        return f"{self.prefix}-results-"

    def result_queue(self, device_id: str) -> str:
        return self.result_queues + check_device_id(device_id)

    def device_stack(self, device_id: str) -> str:
        return f"{self.prefix}-device-{check_device_id(device_id)}"
