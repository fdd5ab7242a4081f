# SPDX-License-Identifier: Apache-2.0
"""What a reader may rely on in every file, checked; each check returns a list of complaints."""
import os
import re

SOURCE = (".h", ".cc")


def folder_graph(meson_text):
    """folder → folders it may include, from the comment in the root meson.build."""
    graph = {}
    for name, others in re.findall(r"^#   (\w+):([ \w]*)$", meson_text, re.M):
        graph[name] = {name, *others.split()}
    return graph


def sources(root):
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".", "build"))]
        for file in sorted(files):
            path = os.path.join(folder, file)
            if file.endswith(SOURCE):
                with open(path, encoding="utf-8") as text:
                    yield os.path.relpath(path, root), text.read()


def check_includes(path, text, graph):
    folder = path.split(os.sep)[0]
    if folder not in graph:  # tests and bench may include everything
        return []
    wrong = []
    for included in re.findall(r'^#include "(\w+)/', text, re.M):
        if included not in graph[folder]:
            wrong.append(f"{path}: {folder}/ may not include {included}/")
    return wrong


def check_no_database(path, text):
    """SQLite cannot be reached from the hot loop."""
    if path.startswith("dataplane") and re.search(r"sqlite|storage_worker|storage_thread", text):
        return [f"{path}: the dataplane may not know the database"]
    return []


def check_form(path, text):
    wrong = []
    if not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
        wrong.append(f"{path}: the first line is the licence's")
    if path.endswith(".h") and "#pragma once" not in text:
        wrong.append(f"{path}: a header has #pragma once")
    if len(text.splitlines()) > 500:
        wrong.append(f"{path}: over 500 lines; split it")
    if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text):
        wrong.append(f"{path}: says that it is not finished")
    return wrong
