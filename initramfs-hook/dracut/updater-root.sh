#!/bin/sh
# dracut: no device is to be waited for, the hook finds its disk.
# shellcheck disable=SC2034
root=updater rootok=1
