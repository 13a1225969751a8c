// The encoded pages of a copy list, layer by layer, as calls to a device want them.
#pragma once

#include <kvstrata/layout/copy_run.hpp>

#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Calls each(coding, pieces) for the encoded pieces of a layer, once for each stretch of them that is kept alike at both ends.
/// `room` is where they are listed. O(pages).
template <class Each>
void each_coding(const copy_list& list, layer_index layer, std::vector<coded_piece>& room, Each&& each)
{
  room.clear();
  coding now;
  for (const coded_page& page : list.coded) {
    if (!room.empty() && page.how != now) {
      each(now, std::span<const coded_piece>(room));
      room.clear();
    }
    now = page.how;
    room.push_back(page.piece(layer, list.piece_bytes));
  }
  if (!room.empty()) each(now, std::span<const coded_piece>(room));
}

}  // namespace kvstrata
