// Names from Python into what they stand for; an unknown name or parameter is an error, never another function.
#pragma once
#include <map>
#include <stdexcept>
#include <string>

#include "plan.hpp"

namespace backlit {

using Parameters = std::map<std::string, double>;

[[noreturn]] inline void refuse(const std::string& message) { throw std::invalid_argument(message); }

// The index of a name among n of them.
template <std::size_t n> int find(const Name (&names)[n], const std::string& name, const char* kind) {
    for (int i = 0; i < (int)n; ++i)
        if (name == names[i].name) return i;
    refuse("the native engine has no " + std::string(kind) + " '" + name + "'");
}

// The number that it takes, given by name: exactly that one, or none.
inline double parameter_of(const Name& it, const Parameters& given) {
    for (auto& pair : given)
        if (pair.first != it.parameter) refuse(std::string(it.name) + " has no parameter '" + pair.first + "' in the native engine");
    if (*it.parameter && given.empty()) refuse(std::string(it.name) + " needs its parameter " + it.parameter);
    return given.empty() ? 0.0 : given.begin()->second;
}

inline void set_activation(LayerPlan& layer, const std::string& name, const Parameters& parameters) {
    const int id = find(activation_names, name, "activation");
    layer.alpha = parameter_of(activation_names[id], parameters);
    layer.activation = (Activation)id;
}

inline void set_loss(Plan& plan, const std::string& name, const Parameters& parameters) {
    const int id = find(loss_names, name, "loss");
    plan.loss_parameter = parameter_of(loss_names[id], parameters);
    plan.loss = (Loss)id;
}

// An optimizer by name, with exactly its hyperparameters.
inline OptimizerPlan optimizer_plan(const std::string& name, Parameters given) {
    const OptimizerName* found = nullptr;
    for (auto& it : optimizer_names)
        if (name == it.name) found = &it;
    if (!found) refuse("the native engine has no optimizer '" + name + "'");
    Parameters values;
    for (const char* key : found->hyperparameters) {
        if (!key) break;
        if (!given.count(key)) refuse("optimizer " + name + " needs its hyperparameter " + key);
        values[key] = given[key], given.erase(key);
    }
    if (!given.empty()) refuse("optimizer " + name + " has no hyperparameter '" + given.begin()->first + "' in the native engine");
    OptimizerPlan plan;
    plan.momentum = values["momentum"], plan.eps = values["eps"], plan.weight_decay = values["weight_decay"];
    plan.beta1 = values["beta1"], plan.beta2 = values.count("rho") ? values["rho"] : values["beta2"];
    plan.rule = found->rule, plan.option = *found->option && values[found->option] != 0;
    plan.slots = found->slots + plan.option;
    if (plan.rule == SGD && plan.momentum) plan.rule = SGD_MOMENTUM, plan.slots = 1, plan.option = values["nesterov"] != 0;
    return plan;
}

}  // namespace backlit
