"""The stage `extract` on Ray clusters of simulated nodes: the bytes are those of this machine, and
nothing that was kept is computed again, whatever is lost meanwhile."""

import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

WHY = "Ray is not installed: `make test RAY=1` brings it and runs these"
ray = pytest.importorskip("ray", reason=WHY)
pytest.importorskip("indexed_gzip", reason=WHY)
pytest.importorskip("moto.server", reason=WHY)

from tests import clusters, extracting
from tests.extracting import N, Run, committed, paint, write_index
from transfer.cluster import files, opening

IN_FLIGHT = 400  # images that may be under way when something is lost: tables of 32, a few a node


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return extracting.workspace(tmp_path_factory.mktemp("extract"))


@pytest.fixture(scope="module")
def undisturbed(made):
    return extracting.first(made)


@pytest.fixture(scope="module")
def two():
    with clusters.started(2) as cluster:
        yield cluster


def slow(tmp_path):
    """(how to start the stage slowly, the file in which it counts)."""
    counted = tmp_path / "counted"
    return ["-c", clusters.SLOW.format(counted=str(counted))], counted


def count(counted):
    return sum(map(int, counted.read_text().split()))


def await_some(run, store, least=100):
    """Waits until `least` features are kept."""
    while committed(store) < least:
        assert run.process.poll() is None, run.process.communicate()
        time.sleep(0.02)


def on(cluster, *args, **options):
    with clusters.variables(**{opening.ADDRESS: cluster.address}):
        return Run(*args, **options)


def test_a_cluster_of_two_gives_the_bytes_of_this_machine(made, undisturbed, two, tmp_path):
    run = on(two, made, "two", tmp_path)
    assert run.end() == (0, N, "")
    assert run.packs() == undisturbed[0]


@pytest.mark.parametrize("nodes", [1, 4])
def test_so_do_one_and_four(made, undisturbed, tmp_path, nodes):
    with clusters.started(nodes) as cluster:
        run = on(cluster, made, f"of{nodes}", tmp_path)
        assert run.end() == (0, N, "")
    assert run.packs() == undisturbed[0]


@pytest.mark.parametrize(("rows", "block"), [(16, 1 << 27), (500, 1 << 17)])
def test_so_do_blocks_of_any_size(made, undisturbed, two, tmp_path, rows, block):
    start = [
        "-c",
        "import runpy; from transfer.cluster import plan, streaming; "
        f"plan.ROWS, streaming.BLOCK = {rows}, {block}; "
        "runpy.run_module('stages.extract', run_name='__main__', alter_sys=True)",
    ]
    run = on(two, made, f"by{rows}", tmp_path, start=start)
    assert run.end() == (0, N, "")
    assert run.packs() == undisturbed[0]


def test_files_reach_machines_through_an_object_store(made, undisturbed, tmp_path):
    with zipfile.ZipFile(made / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((made / "pictures").rglob("*.png"))[::4]:
            archive.write(path, path.relative_to(made / "pictures"))
    (made / "zipped").mkdir()
    (made / "zipped/source.yaml").write_text("layout: class_folders\nfiles: [{name: z.zip}]\n")
    write_index(made, "zipped", "zipped.csv")
    here = Run(made, "zip-here", tmp_path / "here", "zipped", "zipped.csv")
    assert here.end() == (0, N // 4, "")
    with (
        clusters.bucket() as address,
        clusters.variables(**{files.ADDRESS: address}),
        clusters.started(2) as cluster,
    ):
        there = on(cluster, made, "zip-there", tmp_path / "there", "zipped", "zipped.csv")
        assert there.end() == (0, N // 4, "")
        assert there.packs() == here.packs()
        # Pictures of a folder that the machines do not see are sent along.
        own = on(cluster, made, "own-there", tmp_path / "own")
        assert own.end() == (0, N, "")
        assert own.packs() == undisturbed[0]


def test_a_stored_run_needs_no_cluster(made, undisturbed):
    with clusters.variables(**{opening.ADDRESS: "127.0.0.1:1"}):
        run = Run(made, "stored", undisturbed[1])
        assert run.end() == (N, 0, "")


def test_what_was_kept_when_the_driver_was_killed_is_not_computed_again(
    made, undisturbed, two, tmp_path
):
    start, _ = slow(tmp_path)
    run = on(two, made, "killed", tmp_path, start=start)
    await_some(run, tmp_path)
    run.process.kill()
    run.process.communicate()
    before = committed(tmp_path)
    assert 100 <= before < N
    start, counted = slow(tmp_path / "..")
    counted.unlink(missing_ok=True)
    run = on(two, made, "killed", tmp_path, start=start)
    assert run.end() == (before, N - before, "")
    assert run.packs() == undisturbed[0]
    assert count(counted) == N - before


def test_a_worker_that_is_killed_is_replaced(made, undisturbed, two, tmp_path):
    start, counted = slow(tmp_path)
    run = on(two, made, "worker", tmp_path, start=start)
    await_some(run, tmp_path)
    (victim, *_) = [pid for pid, words in processes() if words.startswith("ray::MapWorker")]
    os.kill(victim, signal.SIGKILL)
    assert run.end() == (0, N, "")
    assert run.packs() == undisturbed[0]
    assert N <= count(counted) <= N + IN_FLIGHT


def test_a_node_that_is_lost_is_done_without(made, undisturbed, tmp_path):
    start, counted = slow(tmp_path)
    with clusters.started(2) as cluster:
        run = on(cluster, made, "node", tmp_path, start=start)
        await_some(run, tmp_path)
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        assert run.end() == (0, N, "")
    assert run.packs() == undisturbed[0]
    assert N <= count(counted) <= N + IN_FLIGHT


def test_where_memory_ends_ray_kills_workers_and_the_run_goes_on(made, undisturbed, tmp_path):
    used = 1 - available() / total()
    start, counted = slow(tmp_path)
    limits = {
        "RAY_memory_usage_threshold": str(used + 0.25),
        "RAY_memory_monitor_refresh_ms": "100",
    }
    with clusters.variables(**limits), clusters.started(1) as cluster:
        run = on(cluster, made, "memory", tmp_path, start=start)
        await_some(run, tmp_path)
        before = {pid for pid, words in processes() if words.startswith("ray::")}
        hog = subprocess.Popen(
            [sys.executable, "-c", f"held = b'1' * int({0.3 * total()}); input()"],
            stdin=subprocess.PIPE,
        )
        while before <= {pid for pid, _ in processes()}:
            assert run.process.poll() is None, run.process.communicate()
            time.sleep(0.05)
        hog.communicate(b"\n")
        assert run.end() == (0, N, "")
    assert run.packs() == undisturbed[0]
    assert N <= count(counted) <= N + IN_FLIGHT


def test_a_full_object_store_costs_time_alone(made, undisturbed, tmp_path):
    start = [
        "-c",
        "import runpy; from transfer.cluster import plan; plan.rows_of = lambda *_: 512; "
        "runpy.run_module('stages.extract', run_name='__main__', alter_sys=True)",
    ]
    with clusters.started(1, memory=78643200) as cluster:  # the least that Ray takes
        run = on(cluster, made, "full", tmp_path, start=start)
        assert run.end() == (0, N, "")
    assert run.packs() == undisturbed[0]


def test_a_damaged_image_is_named_and_the_others_are_kept(made, two, tmp_path):
    folder = made / "damaged"
    for number in range(300):
        paint(folder / f"{'ab'[number % 2]}/{number}.png", np.random.default_rng(number))
    write_index(made, "damaged", "damaged.csv")
    victim = folder / "b/151.png"
    sound = victim.read_bytes()
    victim.write_bytes(sound[:60])
    start, _ = slow(tmp_path)
    run = on(two, made, "damaged", tmp_path, "damaged", "damaged.csv", start=start)
    out, err = run.process.communicate()
    assert (run.process.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("error: b/151.png is not the image that was indexed: ")
    victim.write_bytes(sound)
    before = committed(tmp_path)
    run = on(two, made, "damaged", tmp_path, "damaged", "damaged.csv")
    assert run.end() == (before, 300 - before, "")


OLD = "flags\\t: sse2 avx2\\n"


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("import PIL.Image; PIL.__version__ = '1.2.3'", "it has decoder"),
        (
            "import pathlib; read = pathlib.Path.read_text; pathlib.Path.read_text = "
            f"lambda p, *a, **k: '{OLD}' if str(p) == '/proc/cpuinfo' else read(p, *a, **k)",
            "it has instructions ",
        ),
    ],
)
def test_a_node_that_would_compute_other_features_is_refused_by_name(made, tmp_path, patch, said):
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text(patch)
    with clusters.started(1) as cluster:
        with clusters.variables(PYTHONPATH=str(other)):
            cluster.add_node(num_cpus=1, object_store_memory=clusters.MEMORY)
            cluster.wait_for_nodes()
        run = on(cluster, made, "other", tmp_path)
        out, err = run.process.communicate()
        names = [node.node_id[:8] for node in cluster.list_all_nodes()]
    assert (run.process.returncode, out) == (1, "")
    (line,) = err.splitlines()
    # Of two CPUs either may be the other one; of versions those of this machine are expected.
    asked = names[1:] if "decoder" in said else names
    assert any(
        f"(Ray's node {name}) would compute other features: {said}" in line for name in asked
    )
    assert committed(tmp_path) == 0


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", "is 127.0.0.1:1, where no Ray cluster answers: "),
        ("ray://127.0.0.1:1", "is ray://127.0.0.1:1, of Ray's client"),
        ("nonsense", "is nonsense, where no Ray cluster answers: "),
    ],
)
def test_an_address_without_a_cluster_is_told(made, tmp_path, address, sentence):
    with clusters.variables(**{opening.ADDRESS: address}):
        run = Run(made, "nowhere", tmp_path)
        out, err = run.process.communicate()
    assert (run.process.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"error: ${opening.ADDRESS} {sentence}")


def test_what_listens_and_is_no_ray_is_told(made, tmp_path):
    start = [
        "-c",
        "import runpy; from transfer.cluster import connection; connection.PATIENCE = 5; "
        "runpy.run_module('stages.extract', run_name='__main__', alter_sys=True)",
    ]
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with clusters.variables(**{opening.ADDRESS: address}):
            run = Run(made, "nobody", tmp_path, start=start)
            out, err = run.process.communicate()
    assert (run.process.returncode, out) == (1, "")
    line, *_ = err.splitlines()  # and what Ray has to say of it, once it has given up
    assert line.startswith(
        f"error: ${opening.ADDRESS} is {address}, where no Ray cluster answers: no"
    )


def processes():
    """(pid, command line) of all of this machine's."""
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            yield int(place.name), words.decode(errors="replace")


def available():
    return _memory("MemAvailable")


def total():
    return _memory("MemTotal")


def _memory(name):
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)
