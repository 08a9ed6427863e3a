from unittest.mock import MagicMock

import pytest

from mgnm_tf.cluster import ray_cluster
from mgnm_tf.cluster.ray_cluster import check_address
from mgnm_tf.cluster.ray_cluster import connected
from mgnm_tf.errors import UserError
from tests.cluster.processes import free_ports


@pytest.mark.parametrize("address", ["here", ":6379", "host:", "host:x", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UserError, match=r"host:port\. Received: '"):
        check_address(address)


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_an_address_without_a_cluster_is_refused_at_once(form):
    (port,) = free_ports(1)
    address = form.format(port)
    with pytest.raises(UserError, match=f"no Ray cluster at {address} .*ref"):
        check_address(address)


def test_ray_finds_its_own_cluster():
    check_address("auto")


def test_workers_of_this_machine_join_no_other_cluster(monkeypatch):
    """Which one `ray.init` joins where it is told nothing."""
    ray = MagicMock()
    monkeypatch.setattr(ray_cluster, "import_ray", lambda: ray)
    with connected(None, 2, {}):
        pass
    assert ray.init.call_args.kwargs["address"] == "local"
    ray.shutdown.assert_called_once_with()
