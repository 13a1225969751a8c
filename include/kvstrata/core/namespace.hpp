// The inline namespace that all of kvstrata lies in: nobody writes it, and what is compiled against two minor versions does not
// meet in one process, where names are one. Overridden by the test of that alone.
#pragma once

#include <kvstrata/core/language.hpp>  // first

#ifndef KVSTRATA_VERSION_NAMESPACE
#define KVSTRATA_VERSION_NAMESPACE v0_2  // as version.hpp says
#endif
