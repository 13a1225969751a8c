// An nvme_file is a store as any other: the suite of stores, on real files, in virtual and in real time, as it is, with an exact
// codec and with a lossy one, which leaves the suite's bytes as they are.
#include "support/plain_device.hpp"
#include "support/toy_body.hpp"
#include "tiers/nvme/scratch_files.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <memory>

using namespace kvstrata;

namespace {

template <class Store>
struct owned_store
{
  kvstrata_test::scratch_files folder;
  Store store;

  template <class Device>
  explicit owned_store(Device& d)
      : store(d, {.paths = {folder.path("store")},
                  .bytes = 128 << 20,  // so that nobody waits for a region to be made clean
                  .region_bytes = 16 << 20,
                  .chunk_bytes = 4096,
                  .layers = 2,
                  .piece = {.tokens = kvstrata_test::record_page, .kv_heads = 1, .head_dim = 2},
                  .known_headers = 3})
  {
  }
};

template <class... Codec>
struct on_files
{
  template <host_stream_device Device>
  static auto make(Device& d)
  {
    using store = typename nvme_file<Codec...>::template on<Device>;
    auto owner = std::make_shared<owned_store<store>>(d);
    return std::shared_ptr<store>(owner, &owner->store);
  }
};

using kvstrata_test::plain_device;
using exact = kvstrata_test::toy_body;
using lossy = kvstrata_test::lossy_toy_body;

}  // namespace

TEST_CASE("nvme_file in virtual time: conformance") { kvstrata_test::store_conformance<on_files<>>(); }
TEST_CASE("nvme_file in real time: conformance") { kvstrata_test::store_conformance<on_files<>, plain_device>(); }
TEST_CASE("nvme_file with a codec in virtual time: conformance")
{
  kvstrata_test::store_conformance<on_files<exact>>();
}
TEST_CASE("nvme_file with a codec in real time: conformance")
{
  kvstrata_test::store_conformance<on_files<exact>, plain_device>();
}
TEST_CASE("nvme_file with a lossy codec in virtual time: conformance")
{
  kvstrata_test::store_conformance<on_files<lossy>>();
}
TEST_CASE("nvme_file with a lossy codec in real time: conformance")
{
  kvstrata_test::store_conformance<on_files<lossy>, plain_device>();
}
