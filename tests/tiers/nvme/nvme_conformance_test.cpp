// An nvme_file is a store as any other: the suite of stores, on real files, in virtual and in real time.
#include "support/plain_device.hpp"
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
                  .known_headers = 3})
  {
  }
};

struct on_files
{
  template <host_stream_device Device>
  static auto make(Device& d)
  {
    using store = nvme_file<>::on<Device>;
    auto owner = std::make_shared<owned_store<store>>(d);
    return std::shared_ptr<store>(owner, &owner->store);
  }
};

}  // namespace

TEST_CASE("nvme_file in virtual time: conformance") { kvstrata_test::store_conformance<on_files>(); }
TEST_CASE("nvme_file in real time: conformance")
{
  kvstrata_test::store_conformance<on_files, kvstrata_test::plain_device>();
}
