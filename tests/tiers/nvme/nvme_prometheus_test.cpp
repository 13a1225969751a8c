// What a monitoring system reads of an nvme_file.
#include "support/catch.hpp"
#include "support/toy_body.hpp"
#include "tiers/nvme/scratch_files.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme/prometheus.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

using namespace kvstrata;

TEST_CASE("a store's figures are written for Prometheus, and say which engine moves its bytes")
{
  const kvstrata_test::scratch_files folder;
  emulated_device d({.time = time_mode::virtual_time});
  nvme_file_config c;
  c.paths = {folder.path("store")};
  c.bytes = 1 << 20;
  c.region_bytes = 1 << 17;
  c.chunk_bytes = 1 << 14;
  nvme_file<>::on<emulated_device> store(d, c);
  kvstrata_test::store_bed<nvme_file<>::on<emulated_device>, emulated_device> records(d, store);
  REQUIRE(records.keep(0, 1, 10, {0, 8}));
  const auto found = records.find(1);
  REQUIRE(found);
  const auto got = records.get(100, 1, *found, {0, 8});
  REQUIRE(got);
  REQUIRE(records.wait(*got).done());
  store.erase({.id = 1});
  std::ostringstream text;
  prometheus_writer to(text, {{"store", "a"}});
  write_prometheus(to, store.figures());
  to.finish();
  const std::string all = text.str();
  INFO(all);
  const auto has = [&all](const std::string& line) { return all.find(line) != std::string::npos; };
  CHECK(has("nvme_calls_total{store=\"a\",call=\"put\"} 1\n"));
  CHECK(has("nvme_calls_total{store=\"a\",call=\"get\"} 1\n"));
  CHECK(has("nvme_calls_total{store=\"a\",call=\"erase\"} 1\n"));
  CHECK(has("nvme_page_bytes_total{store=\"a\",call=\"get\"} " + std::to_string(2 * kvstrata_test::record_page_bytes)));
  CHECK(has("nvme_records{store=\"a\"} 0\n"));
  CHECK(has("nvme_engine{store=\"a\",engine=\"threads\"} 1\n"));
}

TEST_CASE("how much shorter a store with a codec keeps its records is written for Prometheus")
{
  const kvstrata_test::scratch_files folder;
  emulated_device d({.time = time_mode::virtual_time});
  using drive = nvme_file<kvstrata_test::toy_body>::on<emulated_device>;
  constexpr piece_shape piece{.tokens = kvstrata_test::record_page, .kv_heads = 2, .head_dim = 256};
  constexpr std::size_t page = 2 * piece.bytes();
  constexpr std::uint64_t pages = 4;
  drive store(d, {.paths = {folder.path("store")},
                  .bytes = 9 << 18,
                  .region_bytes = 1 << 18,
                  .chunk_bytes = pages * page,
                  .layers = 2,
                  .piece = piece});
  std::vector<std::uint64_t> rows(pages * page / 8);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = kvstrata_test::toy_top | i;
  const std::vector<io_piece> from{{reinterpret_cast<std::byte*>(rows.data()), pages * page}};
  const auto promise = store.put({.id = 1}, kvstrata_test::record_of(1, {0, pages * piece.tokens}), from, {});
  REQUIRE(promise);
  d.wait_sync(promise->point);
  REQUIRE(store.poll(*promise));
  std::ostringstream text;
  prometheus_writer to(text, {{"store", "a"}});
  write_prometheus(to, store.figures());
  to.finish();
  const std::string all = text.str();
  INFO(all);
  const auto has = [&all](const std::string& line) { return all.find(line) != std::string::npos; };
  // A byte, and five of eight. With a checksum and a length a page each layer is a part, and fills blocks.
  const std::uint64_t codes = 2 * pages * (1 + piece.bytes() / 8 * 5);
  const std::uint64_t part = (pages * 8 + codes / 2 + 4095) / 4096;
  const std::uint64_t stored = (1 + 2 * part) * 4096;
  CHECK(has("nvme_page_bytes_total{store=\"a\",call=\"put\"} " + std::to_string(pages * page) + "\n"));
  CHECK(has("nvme_code_bytes_total{store=\"a\"} " + std::to_string(codes) + "\n"));
  CHECK(has("nvme_stored_bytes_total{store=\"a\"} " + std::to_string(stored) + "\n"));
  const std::string gauge = "nvme_stored_ratio{store=\"a\"} ";
  REQUIRE(has("# TYPE kvstrata_nvme_stored_ratio gauge\n"));
  REQUIRE(has(gauge));
  const double ratio = std::stod(all.substr(all.find(gauge) + gauge.size()));
  CHECK(ratio == Approx(static_cast<double>(pages * page) / static_cast<double>(stored)));
  CHECK(ratio > 1.2);
}
