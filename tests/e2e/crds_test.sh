#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The chart's resource definitions are what the agent says of the kinds that it reads.
exec "$(dirname "$0")/../../scripts/crds" "${1:?usage: $0 BUILD-FOLDER}" --check
