// What a lease says when it is misused: one cache's and several shards' in the same words.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::lease_words {

[[noreturn]] inline void refuse_released(const char* call)
{
  throw usage_error(std::string(call) + ": this lease is released or was moved from");
}

[[noreturn]] inline void refuse_request(const char* call, std::size_t request, std::size_t requests)
{
  throw usage_error(std::string(call) + ": request " + std::to_string(request) + " is past the last of " +
                    std::to_string(requests) + " requests");
}

[[noreturn]] inline void refuse_part(const char* call, std::size_t part, std::size_t parts)
{
  throw usage_error(std::string(call) + ": part " + std::to_string(part) + " is past the last of " +
                    std::to_string(parts) + (parts == 1 ? " part" : " parts"));
}

[[noreturn]] inline void refuse_second_commit()
{
  throw usage_error("commit: this lease is committed already; prepare the next batch instead");
}

[[noreturn]] inline void refuse_undone_layer(std::size_t layer, std::size_t layers)
{
  throw usage_error("commit: layer " + std::to_string(layer) + " of " + std::to_string(layers) +
                    " is not marked done; call layer_done for every layer first");
}

}  // namespace kvstrata::lease_words
