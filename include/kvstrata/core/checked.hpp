// A type of yours, held to its concept's table wherever it runs:
//
//   cache<tiers, checked<my_layout>, layerwise_transfer<>, checked<my_policy>>
//
// It does what the type does, and throws contract_error, with the type's name in it, where that is not what the table says.
// For tests, and for the first days of a policy: it costs an allocation an object and a search a visit.
//
//   replacement/checked.hpp   replacement policies
//   layout/checked.hpp        layouts
#pragma once

#include <kvstrata/core/namespace.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class T>
class checked;

}  // namespace kvstrata
