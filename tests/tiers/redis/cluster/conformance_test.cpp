// A redis_cluster is a store as any other: the suite of stores, over real servers, as it is, with an exact codec and with a lossy
// one, which leaves the suite's bytes as they are.
#include "support/plain_device.hpp"
#include "support/toy_body.hpp"
#include "tiers/redis/cluster/real_cluster.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/redis_cluster.hpp>

#include <memory>

using namespace kvstrata;

namespace {

static_assert(store_tier<redis_cluster<>, emulated_device>);
static_assert(gets_by_layer<redis_cluster<>::on<emulated_device>>);

template <class... Codec>
struct on_a_cluster
{
  template <host_stream_device Device>
  static auto make(Device& d)
  {
    std::string why;
    redis_cluster_config config = kvstrata_test::real_cluster::shared(why)->config();
    config.layers = 2;
    config.value_bytes = 1024 - 64;  // several of a layer
    config.piece = {.tokens = kvstrata_test::record_page, .kv_heads = 1, .head_dim = 2};
    return std::make_shared<typename redis_cluster<Codec...>::template on<Device>>(d, config);
  }
};

}  // namespace

TEST_CASE("redis_cluster in real time: conformance")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  kvstrata_test::store_conformance<on_a_cluster<>, kvstrata_test::plain_device>();
}
TEST_CASE("redis_cluster in virtual time: conformance")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  kvstrata_test::store_conformance<on_a_cluster<>>();
}
TEST_CASE("redis_cluster with a codec in real time: conformance")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  kvstrata_test::store_conformance<on_a_cluster<kvstrata_test::toy_body>, kvstrata_test::plain_device>();
}
TEST_CASE("redis_cluster with a codec in virtual time: conformance")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  kvstrata_test::store_conformance<on_a_cluster<kvstrata_test::toy_body>>();
}
TEST_CASE("redis_cluster with a lossy codec in virtual time: conformance")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  kvstrata_test::store_conformance<on_a_cluster<kvstrata_test::lossy_toy_body>>();
}
