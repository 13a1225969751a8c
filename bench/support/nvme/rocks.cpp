// Built where RocksDB is there.
#include "support/nvme/rocks.hpp"

#include "support/nvme/child.hpp"
#include "support/nvme/usage.hpp"

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace nvme_bench {

namespace {

constexpr std::uint32_t records = 1'000'000;
constexpr std::size_t value_bytes = 512;

rocksdb::Options options()
{
  rocksdb::Options out;
  out.create_if_missing = true;
  out.enable_blob_files = true;
  out.min_blob_size = 0;
  out.compression = rocksdb::kNoCompression;
  out.use_direct_reads = true;
  out.use_direct_io_for_flush_and_compaction = true;
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

std::unique_ptr<rocksdb::DB> open(const std::string& folder)
{
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options(), folder, &db);
  if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
  return std::unique_ptr<rocksdb::DB>(db);
}

/// In the order of a hash, as sequences come.
std::array<char, 8> key_of(std::uint64_t number)
{
  const std::uint64_t mixed = number * 0x9e3779b97f4a7c15U;
  std::array<char, 8> out{};
  std::memcpy(out.data(), &mixed, sizeof mixed);
  return out;
}

struct rocks_opening
{
  double seconds = 0, memory = 0, readers = 0, memtables = 0;
};

}  // namespace

void print_rocks(const std::string& folder)
{
  const stopwatch all;
  in_killed_child([&] {
    const auto db = open(folder);
    std::string value(value_bytes, 'x');
    for (std::uint64_t i = 0; i < records; ++i) {
      std::memcpy(value.data(), &i, sizeof i);
      const auto key = key_of(i);
      const rocksdb::Status status = db->Put({}, {key.data(), key.size()}, value);
      if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
    }
    static_cast<void>(db->SyncWAL());
  });
  const double writing = all.seconds();
  for (const char* const what : {"after a kill", "opened again, its log replayed"}) {
    const auto found = in_child([&] {
      const double before = resident_bytes();
      const stopwatch watch;
      const auto db = open(folder);
      rocks_opening out{.seconds = watch.seconds(), .memory = resident_bytes() - before};
      std::uint64_t value = 0;
      if (db->GetIntProperty("rocksdb.estimate-table-readers-mem", &value)) out.readers = static_cast<double>(value);
      if (db->GetIntProperty("rocksdb.size-all-mem-tables", &value)) out.memtables = static_cast<double>(value);
      return out;
    });
    std::printf(
        "  %-52s %8u %8.3f s %6.2f million/s; %.1f bytes a record, indexes and filters %.1f\n",
        ("RocksDB " + std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + ", blob files, " + what)
            .c_str(),
        records, found.seconds, records / found.seconds / 1e6, found.memory / records, found.readers / records);
  }
  std::printf(
      "  (RocksDB: %zu bytes a value, written in %.1f s. It loads indexes and filters, and reads its log; which keys "
      "there are it looks up when they are asked for. The store has all of them in memory)\n",
      value_bytes, writing);
  std::filesystem::remove_all(folder);
}

}  // namespace nvme_bench
