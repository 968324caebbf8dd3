#!/bin/sh
# Runs the device check on this machine: Linux on x64 with an NVIDIA card. Needs no network and no Node; PyTorch is
# timed if python3 (or DM_PYTHON) has it. Options: see README.md, for example --minutes 9 --out results.json.
set -eu
kit=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)

# The Vulkan loader and libraries of the driver that the system lacks.
installed=$(ldconfig -p 2>/dev/null || true)
mkdir -p "$kit/missing"
for library in "$kit"/libraries/*; do
  name=${library##*/}
  case $installed in *"$name"*) ;; *) ln -sf "$library" "$kit/missing/$name" ;; esac
done
export LD_LIBRARY_PATH="$kit/missing${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

# NVIDIA's driver only: a software driver would be timed instead. A choice made by the caller stands.
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; then
  for folder in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/nvidia/share/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
    if [ -f "$folder/nvidia_icd.json" ]; then
      # On a machine without a display the driver may work through EGL only.
      sed 's/libGLX_nvidia/libEGL_nvidia/' "$folder/nvidia_icd.json" > "$kit/nvidia_egl_icd.json"
      export VK_DRIVER_FILES="$folder/nvidia_icd.json:$kit/nvidia_egl_icd.json"
      export VK_ICD_FILENAMES="$VK_DRIVER_FILES"
      break
    fi
  done
  [ -n "${VK_DRIVER_FILES:-}" ] || echo "No nvidia_icd.json was found: the Vulkan driver may be a software one." >&2
fi

# The reference models, if the kit has them.
if [ -d "$kit/python/diffusers" ]; then export DIFFUSERS_SRC="$kit/python"; fi
if [ -d "$kit/dit" ]; then export DIT_SRC="$kit/dit"; fi

out="$PWD/device-check.json"
exec "$kit/node" "$kit/bench/check.mjs" --out "$out" "$@"
