// SPDX-License-Identifier: Apache-2.0
#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "handles.h"
#include "loader.h"
#include "vsplit/datapath.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

struct PinnedLink {
  UniqueFd fd;  // none: not there
  bpf_link_info info{};
};

PinnedLink OpenLink(const std::string& path) {
  PinnedLink link{UniqueFd(bpf_obj_get(path.c_str())), {}};
  __u32 size = sizeof(link.info);
  if (link.fd && bpf_obj_get_info_by_fd(link.fd.get(), &link.info, &size) != 0) {
    link.fd = UniqueFd();
  }
  return link;
}

std::string LinkPath(const DatapathOptions& options, const HookedProgram& hooked) {
  return options.pins + "/links/" + hooked.link;
}

// The id of a cgroup is the inode number of its folder.
std::uint64_t CgroupId(const std::string& folder) {
  struct stat status{};
  return stat(folder.c_str(), &status) == 0 ? status.st_ino : 0;
}

// The kernel lets a link take any program of the same type, whatever hook it was written for, so
// the hook is compared here.
bool Fits(const PinnedLink& link, const HookedProgram& hooked, std::uint64_t cgroup) {
  return link.fd && link.info.type == BPF_LINK_TYPE_CGROUP &&
         link.info.cgroup.attach_type == hooked.attach && link.info.cgroup.cgroup_id == cgroup;
}

Result<void> AttachNew(const bpf_program* program, const HookedProgram& hooked, int cgroup,
                       const std::string& path) {
  const UniqueFd link(bpf_link_create(bpf_program__fd(program), cgroup,
                                      static_cast<bpf_attach_type>(hooked.attach), nullptr));
  if (!link) {
    const int error = errno;
    const char* hint =
        error == EPERM ? " (is a program attached there without BPF_F_ALLOW_MULTI?)" : "";
    return FailErrno(fmt::format("attach {} to the cgroup{}", hooked.program, hint), error);
  }
  // Beside the old pin and then over it: at no moment is there none.
  const std::string fresh = path + "_new";
  unlink(fresh.c_str());
  if (bpf_obj_pin(link.get(), fresh.c_str()) != 0) {
    return FailErrno(fmt::format("pin {}", fresh));
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) {
    return FailErrno(fmt::format("pin {}", path));
  }
  return {};
}

Result<void> AttachOne(const Loaded& loaded, const HookedProgram& hooked, int cgroup,
                       std::uint64_t cgroup_id, const std::string& path) {
  const bpf_program* program =
      bpf_object__find_program_by_name(loaded.object.get(), hooked.program);
  if (bpf_program__expected_attach_type(program) != hooked.attach) {
    return Fail(fmt::format("program {} is not made for its hook", hooked.program));
  }
  const PinnedLink link = OpenLink(path);
  if (Fits(link, hooked, cgroup_id)) {
    if (bpf_link_update(link.fd.get(), bpf_program__fd(program), nullptr) == 0) {
      return {};
    }
    if (errno != ENOLINK) {  // the cgroup is gone, and another has its number
      return FailErrno(fmt::format("replace the program of {}", path));
    }
  }
  // Connections that are open below the other cgroup would never be seen to end.
  if (link.fd && link.info.type == BPF_LINK_TYPE_CGROUP &&
      link.info.cgroup.attach_type == hooked.attach && link.info.cgroup.cgroup_id != 0 &&
      link.info.cgroup.cgroup_id != cgroup_id) {
    return Fail(
        fmt::format("{} is attached to another cgroup (id {}, which is the inode number of "
                    "its folder); give --cgroup that one, or run `vsplitd uninstall` first",
                    path, link.info.cgroup.cgroup_id));
  }
  return AttachNew(program, hooked, cgroup, path);
}

// Whether the kernel lists this program among those that run on the cgroup.
bool Runs(int cgroup, std::uint32_t attach, std::uint32_t program) {
  std::array<__u32, 64> ids{};
  __u32 count = ids.size();
  if (bpf_prog_query(cgroup, static_cast<bpf_attach_type>(attach), 0, nullptr, ids.data(),
                     &count) != 0) {
    return false;
  }
  return std::ranges::find(ids.begin(), ids.begin() + count, program) != ids.begin() + count;
}

Attachment AskOne(const DatapathOptions& options, const HookedProgram& hooked, int cgroup) {
  Attachment attachment{.program = hooked.program,
                        .link = LinkPath(options, hooked),
                        .attached = false,
                        .program_id = 0,
                        .trouble = {}};
  const PinnedLink link = OpenLink(attachment.link);
  attachment.program_id = link.fd ? link.info.prog_id : 0;
  if (!link.fd) {
    attachment.trouble = "no link is pinned";
  } else if (!Fits(link, hooked, CgroupId(options.cgroup))) {
    attachment.trouble = "the pinned link belongs to another hook or cgroup";
  } else if (!Runs(cgroup, hooked.attach, link.info.prog_id)) {
    attachment.trouble = "the kernel does not run it on " + options.cgroup;
  } else {
    attachment.attached = true;
  }
  return attachment;
}

// Whether a connection is remembered whose end sock_release may have passed over.
bool SockopsMatters(const Loaded& loaded) {
  const int fd = TableFd(loaded, "connections");
  connection_key key{};
  connection_value value{};
  const connection_key* before = nullptr;
  for (connection_key next{}; bpf_map_get_next_key(fd, before, &next) == 0; before = &key) {
    key = next;
    if (bpf_map_lookup_elem(fd, &key, &value) == 0 && (value.flags & CONNECTION_BY_RELEASE) == 0) {
      return true;
    }
  }
  return false;
}

bool IsWanted(const DatapathOptions& options, const HookedProgram& hooked) {
  return options.observe || hooked.attach != BPF_CGROUP_SOCK_OPS;
}

}  // namespace

Result<void> AttachAll(const Loaded& loaded, const DatapathOptions& options) {
  const UniqueFd cgroup(open(options.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup) {
    return FailErrno(fmt::format("cgroup {}", options.cgroup));
  }
  const std::uint64_t id = CgroupId(options.cgroup);
  for (const HookedProgram& hooked : HookedPrograms()) {
    if (!IsWanted(options, hooked)) {
      continue;
    }
    if (Result<void> attached =
            AttachOne(loaded, hooked, cgroup.get(), id, LinkPath(options, hooked));
        !attached) {
      return attached;
    }
  }
  // What is not wanted goes last, when the others have taken over its work. A socket that was
  // closed already, and whose end only sockops can see, keeps sockops there until the next start.
  for (const HookedProgram& hooked : HookedPrograms()) {
    if (IsWanted(options, hooked)) {
      continue;
    }
    const std::string path = LinkPath(options, hooked);
    const PinnedLink link = OpenLink(path);
    if (link.fd && SockopsMatters(loaded)) {
      if (Result<void> kept = AttachOne(loaded, hooked, cgroup.get(), id, path); !kept) {
        return kept;
      }
      continue;
    }
    if (link.fd) {
      bpf_link_detach(link.fd.get());
    }
    unlink(path.c_str());
  }
  return {};
}

std::uint64_t AttachedCgroup(const std::string& pins) {
  const PinnedLink link = OpenLink(pins + "/links/connect4");
  return link.fd && link.info.type == BPF_LINK_TYPE_CGROUP ? link.info.cgroup.cgroup_id : 0;
}

void DetachAll(const std::string& pins) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(pins + "/links", error)) {
    if (const PinnedLink link = OpenLink(entry.path().string()); link.fd) {
      bpf_link_detach(link.fd.get());
    }
  }
}

std::vector<Attachment> AskAttachments(const DatapathOptions& options) {
  const UniqueFd cgroup(open(options.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<Attachment> attachments;
  for (const HookedProgram& hooked : HookedPrograms()) {
    if (IsWanted(options, hooked)) {
      attachments.push_back(AskOne(options, hooked, cgroup.get()));
    }
  }
  return attachments;
}

}  // namespace vsplit
