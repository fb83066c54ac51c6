"""A release that keeps records where the one before does not look: `KINTO_STORAGE_BACKEND=moved_records`.

By itself it is a fine release: it also reads, changes and deletes what the one before has kept. It runs inside
Kinto's environment.
"""

from kinto.core.storage import exceptions, postgresql

OLD, NEW = "record", "record-2"


class Storage(postgresql.Storage):
    def create(self, resource_name, *arguments, **named):
        return super().create(_moved(resource_name), *arguments, **named)

    def get(self, resource_name, parent_id, object_id, *arguments, **named):
        return super().get(self._home(resource_name, parent_id, object_id), parent_id, object_id, *arguments, **named)

    def update(self, resource_name, parent_id, object_id, *arguments, **named):
        home = self._home(resource_name, parent_id, object_id)
        return super().update(home, parent_id, object_id, *arguments, **named)

    def delete(self, resource_name, parent_id, object_id, *arguments, **named):
        home = self._home(resource_name, parent_id, object_id)
        return super().delete(home, parent_id, object_id, *arguments, **named)

    def delete_all(self, resource_name, *arguments, **named):
        return super().delete_all(_moved(resource_name), *arguments, **named)

    def list_all(self, resource_name, *arguments, **named):
        return super().list_all(_moved(resource_name), *arguments, **named)

    def count_all(self, resource_name, *arguments, **named):
        return super().count_all(_moved(resource_name), *arguments, **named)

    def resource_timestamp(self, resource_name, *arguments, **named):
        return super().resource_timestamp(_moved(resource_name), *arguments, **named)

    def _home(self, resource_name, parent_id, object_id):
        """Where an object is; what is not there yet belongs to the new place."""
        if resource_name != OLD:
            return resource_name
        try:
            super().get(OLD, parent_id, object_id)
        except exceptions.ObjectNotFoundError:
            return NEW
        return OLD


def _moved(resource_name):
    return NEW if resource_name == OLD else resource_name


def load_from_config(config):
    usual = postgresql.load_from_config(config)
    return Storage(client=usual.client, max_fetch_size=usual._max_fetch_size, readonly=usual.readonly)
