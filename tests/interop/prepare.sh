#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs libsignal's npm package, as the lock file pins it, into a folder of the build: prepare.sh FOLDER. Does nothing
# when it is there. Exit 77: there is no node or npm, or npm cannot reach its registry.
set -euo pipefail
source=$(cd "$(dirname "$0")" && pwd)
folder=$1
command -v node >/dev/null && command -v npm >/dev/null || { echo "node or npm is not installed"; exit 77; }
mkdir -p "$folder"
exec 9>"$folder/lock"
flock -w 240 9 || { echo "another installation does not end"; exit 77; }
cp "$source/package.json" "$source/peer.mjs" "$folder/"
if cmp -s "$source/package-lock.json" "$folder/installed.json"; then exit 0; fi
cp "$source/package-lock.json" "$folder/"
if ! timeout 240 npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund \
  --fetch-retries=1 --fetch-retry-mintimeout=2000 --loglevel=error \
  >"$folder/npm.log" 2>&1 </dev/null; then
  echo "npm could not install the peer: $(grep -m 1 -i error "$folder/npm.log" || echo 'no word why')"
  exit 77
fi
cp "$source/package-lock.json" "$folder/installed.json"
