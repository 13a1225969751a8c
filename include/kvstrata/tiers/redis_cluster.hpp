// A store in a Redis or Valkey cluster: processes on several machines share the states of their users, and when a server dies
// lose nothing but time.
//
//   redis_cluster<[a write policy], [an admission policy], [a body codec]>
//
//   redis_cluster<>::on<Device> cluster(device, {.addresses = {"10.0.0.1:7001", "10.0.0.2:7001"},
//                                                .password = redis::secret::of_file("/run/secrets/kv"),
//                                                .layers = shape.layers});
//   redis_cluster<codec::exp_zstd>::on<Device> dense(device, {..., .piece = piece_of(shape, page_tokens)});
//   cache c(device, {.shape = ..., .tiers = {{.bytes = a}, {.bytes = b}, {.store = &cluster}}});
//
// A sequence is a manifest and values: pages of one put, a layer of them for itself, cut so that a value with its head fills
// what the server's allocator gives (2^n - 64 bytes). All of a sequence lies in one slot; the manifest changes in one step, by
// a script of one key, and says which values count. Nothing is believed because of its name: a value tells whose it is, of
// which life, put, layer and place, and has a checksum of its head and one of its body. With a codec workers encode what is put; a value has whole pages then, and is as
// long as their codes turn out. Who has another codec, or none, sees such a sequence as one that is not there.
//
// Needs hiredis (Debian's libhiredis-dev, CMake's kvstrata::redis). The rights it needs of an ACL user: +auth +cluster|slots
// +get +set +unlink +eval +time +wait +asking on the keys of its prefix.
//
// Threads: `workers` carry out puts and gets, one more erasures and what is heard of the cluster; in virtual time I/Os run when
// their time comes. A call never waits for a socket. An I/O whose server does not answer in time is lost, and that server is
// left alone for a while: then all of it is a miss at once. docs/guide/cluster.md has the runbook.
#pragma once

#include <kvstrata/codec/identity.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/tiers/redis/config.hpp>
#include <kvstrata/tiers/redis/redis_cluster_on.hpp>
#include <kvstrata/tiers/stores/codes/coded_store.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <option... Options>
struct redis_cluster
{
  using tier_kind = store_kind;
  using writes = find_option_t<write_policy_option, write_back, Options...>;
  using admission = find_option_t<admission_option, always, Options...>;
  using codec = find_option_t<codec_option, codec::identity, Options...>;
  static constexpr std::string_view name = "redis_cluster";

  /// The same whatever the options are, but for the codec, so that caches of different stacks may share one.
  template <host_stream_device Device>
  using on = stores::store_with_codec<redis_cluster_on<Device>, codec>;
};

static_assert(store_tier<redis_cluster<>, detail::device_archetype>);

}  // namespace kvstrata
