// Snapshots with the labels that tell them apart, and how a metric is written for all of them.
#pragma once

#include <kvstrata/observe/prometheus_writer.hpp>

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of one cache among several, or one shard: {{{"shard", "3"}}, shards.tracker(3).read()}.
template <class Snapshot>
struct labelled
{
  prometheus_labels labels;
  Snapshot snapshot;
};

namespace detail {

/// One of the series of a metric: labels, and a member (or a function) of the snapshot.
template <class Snapshot, class Value>
struct metric_series
{
  prometheus_labels labels;
  std::function<Value(const Snapshot&)> value;
};

/// Calls write(value, labels) for each series of each snapshot, so that the samples of a metric stand together.
template <class Snapshot, class Value, class Write>
void for_each_series(std::span<const labelled<Snapshot>> all, const std::vector<metric_series<Snapshot, Value>>& series,
                     Write&& write)
{
  for (const labelled<Snapshot>& one : all) {
    for (const metric_series<Snapshot, Value>& s : series) {
      prometheus_labels labels = one.labels;
      labels.insert(labels.end(), s.labels.begin(), s.labels.end());
      write(s.value(one.snapshot), labels);
    }
  }
}

}  // namespace detail
}  // namespace kvstrata
