// A store that keeps its records by exp_zstd: the suite of stores, and the room that pages of a trained model take in it.
#include "codec/kv_values.hpp"
#include "support/plain_device.hpp"
#include "tiers/nvme/scratch_files.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/codec/exp_zstd.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <cstring>
#include <memory>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

template <class Store>
struct owned_store
{
  scratch_files folder;
  Store store;

  template <class Device>
  explicit owned_store(Device& d)
      : store(d, {.paths = {folder.path("store")},
                  .bytes = 128 << 20,
                  .region_bytes = 16 << 20,
                  .chunk_bytes = 4096,
                  .layers = 2,
                  .piece = {.tokens = record_page, .kv_heads = 1, .head_dim = 2},
                  .known_headers = 3})
  {
  }
};

struct on_files
{
  template <host_stream_device Device>
  static auto make(Device& d)
  {
    using store = nvme_file<codec::exp_zstd>::on<Device>;
    auto owner = std::make_shared<owned_store<store>>(d);
    return std::shared_ptr<store>(owner, &owner->store);
  }
};

}  // namespace

TEST_CASE("nvme_file with exp_zstd in virtual time: conformance") { store_conformance<on_files>(); }
TEST_CASE("nvme_file with exp_zstd in real time: conformance") { store_conformance<on_files, plain_device>(); }

TEST_CASE("pages of a trained model take two thirds of their room in a store with exp_zstd")
{
  const auto pages = trained_pages();
  if (!pages) SKIP_TEST("trained_hstu is not on this machine");
  constexpr piece_shape piece{.tokens = 32, .kv_heads = 4, .head_dim = 64};
  constexpr std::uint32_t layers = 4;
  scratch_files folder;
  emulated_device d({.time = time_mode::virtual_time});
  nvme_file<codec::exp_zstd>::on<emulated_device> store(d, {.paths = {folder.path("store")},
                                                            .bytes = 64 << 20,
                                                            .region_bytes = 4 << 20,
                                                            .chunk_bytes = 1 << 20,
                                                            .layers = layers,
                                                            .piece = piece});
  const record_header header{.incarnation = incarnation_id{1}, .page_tokens = piece.tokens, .tokens = {0, 256}};
  std::vector<std::byte> memory(pages->size());
  const std::vector<io_piece> pieces{{memory.data(), memory.size()}};
  REQUIRE(memory.size() == header.pages().size() * layers * piece.bytes());
  std::memcpy(memory.data(), pages->data(), memory.size());
  const auto end = [&](const std::optional<store_promise>& promise) {
    REQUIRE(promise);
    d.wait_sync(promise->point);
    REQUIRE(store.poll(*promise)->done());
  };
  end(store.put({.id = 1}, header, pieces, {}));
  std::memset(memory.data(), 0, memory.size());
  end(store.get({.id = 1}, header, header.tokens, pieces, {}));
  CHECK(std::memcmp(memory.data(), pages->data(), memory.size()) == 0);
  const nvme::store_counts counts = store.figures().counts;
  CAPTURE(counts.put_bytes, counts.code_bytes, counts.stored_bytes);
  CHECK(counts.put_bytes > counts.code_bytes * 3 / 2);
  CHECK(nvme::stored_ratio(counts) > 1.5);
}
