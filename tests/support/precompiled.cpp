// What the precompiled header of the tests is made for; see precompiled.hpp.
