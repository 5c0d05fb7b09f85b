"""Alternates the two loops of scripts/bench-peers and prints how they compare.

Started by scripts/bench-peers, which prepares everything; with --loop it is their side's loop.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Frames a second, our door loop with one thread over theirs.
TARGET = 10.0
DOOR = "door, 1 thread"


def their_loop(folder):
    """The loop of face_recognition's example facerec_from_webcam.py, without the window."""
    import cv2
    import face_recognition

    known = []
    for path in sorted((folder / "enroll").iterdir()):
        known += face_recognition.face_encodings(face_recognition.load_image_file(str(path)))[:1]
    if not known:
        sys.exit("bench-peers: face_recognition finds no face in the enrolled pictures")
    video = cv2.VideoCapture(str(folder / "clip.avi"))
    frames = with_face = recognised = 0
    start, cpu = time.perf_counter(), time.process_time()
    while True:
        more, frame = video.read()
        if not more:
            break
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        locations = face_recognition.face_locations(rgb)
        encodings = face_recognition.face_encodings(rgb, locations)
        named = [any(face_recognition.compare_faces(known, encoding)) for encoding in encodings]
        frames += 1
        with_face += bool(locations)
        recognised += any(named)
    return {
        "frames": frames,
        "with_face": with_face,
        "recognised": recognised,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def run(command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"bench-peers: {command[0]} failed with exit code {done.returncode}")
    return json.loads(done.stdout)


def sum_up(rounds):
    """The middle round's figures; CPU time is what other programs on the machine change least."""
    middle = lambda value: statistics.median(value(one) for one in rounds)
    return {
        "frames": rounds[0]["frames"],
        "with_face": rounds[0]["with_face"],
        "recognised": rounds[0]["recognised"],
        "fps": middle(lambda one: one["frames"] / one["seconds"]),
        "cpu_ms_a_frame": middle(lambda one: one["cpu_seconds"] / one["frames"] * 1e3),
        "peak_mb": middle(lambda one: one["peak_bytes"] / 2**20),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--loop", type=Path)
    arguments = parser.parse_args()
    if arguments.loop:
        print(json.dumps(their_loop(arguments.loop)))
        return 0

    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="doorward-peers-") as folder:
        subprocess.run([arguments.ours, "compose", folder], stdout=subprocess.DEVNULL, check=True)
        sides = {
            "theirs": [sys.executable, __file__, "--loop", folder],
            "frames, 1 thread": [arguments.ours, "frames", folder, 1],
            DOOR: [arguments.ours, "door", folder, 1],
            f"door, {cores} threads": [arguments.ours, "door", folder, cores],
        }
        measured = {name: [] for name in sides}
        for number in range(arguments.rounds):
            print(f"bench-peers: round {number + 1} of {arguments.rounds}", file=sys.stderr)
            for name, command in sides.items():
                measured[name].append(run(command))

    results = {name: sum_up(rounds) for name, rounds in measured.items()}
    theirs = results["theirs"]
    # Each round's ratio by itself: what slows the machine down slows both sides of a round.
    speed = lambda one: one["frames"] / one["seconds"]
    for name, result in results.items():
        pairs = zip(measured[name], measured["theirs"])
        result["fps_ratio"] = statistics.median(speed(mine) / speed(other) for mine, other in pairs)
        result["cpu_ratio"] = theirs["cpu_ms_a_frame"] / result["cpu_ms_a_frame"]
    reached = results[DOOR]["fps_ratio"] >= TARGET
    if arguments.json:
        print(json.dumps({"results": results, "target": TARGET, "reached": reached}))
    else:
        print(f"{'':18} {'frames/s':>9} {'ratio':>7} {'CPU ms/frame':>13} {'ratio':>7} {'peak MB':>8}  recognised")
        for name, one in results.items():
            print(
                f"{name:18} {one['fps']:9.2f} {one['fps_ratio']:6.1f}x {one['cpu_ms_a_frame']:13.1f} "
                f"{one['cpu_ratio']:6.1f}x {one['peak_mb']:8.0f}  "
                f"{one['recognised']} {'visits' if name.startswith('door') else 'frames'}, "
                f"{one['with_face']} frames with a face, {one['frames']} in all"
            )
        print(f"target: {TARGET:.0f}x frames a second ({DOOR}): {'reached' if reached else 'MISSED'}")
    return 0 if reached else 4


if __name__ == "__main__":
    sys.exit(main())
