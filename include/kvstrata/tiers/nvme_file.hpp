// A store on NVMe: files or block devices that keep records through the end of the process, by whatever it came to an end.
//
//   nvme_file<[a write policy], [an admission policy], [a body codec]>
//
//   nvme_file<>::on<Device> drive(device, {.paths = {"/data/kv"}, .bytes = 1ULL << 40U, .layers = shape.layers});
//   nvme_file<codec::exp_zstd>::on<Device> dense(device, {..., .piece = piece_of(shape, page_tokens)});
//   cache c(device, {.shape = ..., .tiers = {{.bytes = a}, {.bytes = b}, {.store = &drive}}});
//
// Log-structured: records are appended to regions; a full region gets a table of what is in it; the oldest region makes room,
// after what of it is in use has been written again (after CacheLib's Navy, Berg et al., OSDI 2020). The format, byte by
// byte: docs/nvme_format.md. Opening a store reads tables and never bodies; what it then serves is what was durable, and
// what of the rest turns out to be whole. Every byte that is served has been checked.
//
// Threads: `workers` carry out puts and gets, one more tidies up; in virtual time none, I/Os run when their time comes. A put
// needs a place: where regions are filled more quickly than the oldest are emptied, a few wait in the workers for one that is
// being emptied, and the others are refused. A call never waits.
#pragma once

#include <kvstrata/codec/identity.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/tiers/nvme/config.hpp>
#include <kvstrata/tiers/nvme/nvme_file_on.hpp>
#include <kvstrata/tiers/stores/codes/coded_store.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <option... Options>
struct nvme_file
{
  using tier_kind = store_kind;
  using writes = find_option_t<write_policy_option, write_back, Options...>;
  using admission = find_option_t<admission_option, always, Options...>;
  using codec = find_option_t<codec_option, codec::identity, Options...>;
  static constexpr std::string_view name = "nvme_file";

  /// The same whatever the options are, but for the codec, so that caches of different stacks may share one. With a codec puts of
  /// one sequence are carried out one behind the other.
  template <host_stream_device Device>
  using on = stores::store_with_codec<nvme_file_on<Device>, codec>;
};

static_assert(store_tier<nvme_file<>, detail::device_archetype>);

}  // namespace kvstrata
