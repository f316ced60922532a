"""Clusters that cannot be used: each is refused with its reason before anything is done."""

import sys

import pytest

from tbd.cluster import connection
from tbd.cluster.connection import NodeFacts, joined, node_facts, refuse_unlike
from tbd.errors import InputError, MissingError


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere.invalid:6379"])
def test_no_cluster_at_the_address_is_said_at_once(address):
    with pytest.raises(MissingError, match=f"no Ray cluster answers at {address}") as refused, joined(address):
        pass
    assert "ray start --head" in refused.value.next


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingError, match="not installed") as refused:
        connection.ray_library()
    assert "think-before-draw[ray]" in refused.value.next


def test_a_node_that_does_not_see_the_data_set_is_named_with_the_path(tmp_path):
    here, there = node_facts([str(tmp_path)]), node_facts([str(tmp_path / "mead")])
    assert here.lacks == ()
    with pytest.raises(InputError, match=f"does not see {tmp_path}/mead") as refused:
        refuse_unlike(there, here)
    assert "mount it under the same name" in refused.value.next


def test_a_node_with_other_versions_is_refused_with_both(tmp_path):
    here = node_facts([])
    other = NodeFacts("far", here.versions | {"tbd": "0.0.1", "pyarrow": "1.0"}, ())
    with pytest.raises(MissingError, match=r"node far runs other versions.*tbd 0\.0\.1 \(here .*pyarrow 1\.0"):
        refuse_unlike(other, here)


def test_a_node_with_other_weights_is_refused_with_both():
    here, other = (NodeFacts(name, {}, (), {"the weights lpips": sha}) for name, sha in (("here", "a1"), ("far", "b2")))
    refuse_unlike(here, here)
    with pytest.raises(MissingError, match=r"node far differs from this machine in the weights lpips: b2 \(here a1\)"):
        refuse_unlike(other, here)


def test_builds_of_one_version_for_a_cpu_and_a_gpu_are_equal(monkeypatch):
    monkeypatch.setattr(connection.metadata, "version", lambda name: "2.15.0+cu128")
    assert node_facts([]).versions["torch"] == "2.15.0"


@pytest.mark.xdist_group("ray")
def test_a_path_that_the_nodes_lack_is_refused_on_a_real_cluster(ray_nodes, tmp_path):
    with pytest.raises(InputError, match="does not see"), joined(ray_nodes, [tmp_path / "nowhere"]):
        pass
