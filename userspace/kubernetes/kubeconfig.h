// SPDX-License-Identifier: Apache-2.0
// Which server a kubeconfig means, and how it knows us. Pure, but for the files that it names.
#pragma once

#include <functional>
#include <string>

#include "vsplit/kubernetes.h"
#include "vsplit/result.h"

namespace vsplit::kubernetes {

// "https://10.0.0.1:6443", "https://[::1]:6443", "http://127.0.0.1:8001"
Result<ApiServer> ReadUrl(const std::string& url);

// The whole of a file, however large.
using FileReader = std::function<Result<std::string>(const std::string& path)>;

// As KubeconfigServer. `path` is the file with this text: relative paths in it begin at its folder.
Result<ApiServer> ReadKubeconfig(const std::string& text, const std::string& path,
                                 const FileReader& read);

}  // namespace vsplit::kubernetes
